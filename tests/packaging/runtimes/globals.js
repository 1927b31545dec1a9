print(typeof WebAssembly)
