/** Two soft notes. A browser that requires a click on the page first stays silent, which is acceptable. */
export function chime(): void {
  const audio = new AudioContext()
  const notes = [
    { frequency: 659.3, at: 0 },
    { frequency: 880, at: 0.22 },
  ]
  for (const { frequency, at } of notes) {
    const start = audio.currentTime + at
    const volume = audio.createGain()
    volume.gain.setValueAtTime(0.25, start)
    volume.gain.exponentialRampToValueAtTime(0.001, start + 1.2)
    const tone = new OscillatorNode(audio, { frequency })
    tone.connect(volume).connect(audio.destination)
    tone.start(start)
    tone.stop(start + 1.3)
  }
  setTimeout(() => void audio.close(), 2_000)
}
