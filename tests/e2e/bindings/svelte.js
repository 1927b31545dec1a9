import { mount, unmount } from 'svelte'
import App from './App.svelte'

const app = mount(App, { target: document.body })
globalThis.leave = () => void unmount(app)
