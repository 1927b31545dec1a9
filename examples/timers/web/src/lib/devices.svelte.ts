import { call } from 'examples-web'
import type { Device, DeviceList } from './channels'
import { deviceName } from './format'
import { tidings } from './tidings'

/** The user's devices, this one first, then those online. */
class Devices {
  #known = $state.raw<Device[]>([])
  all = $derived([...this.#known].sort(inOrder))
  /** How many streams the user had open when the list was loaded; tabs that share one count once. */
  connections = $state(0)

  get hereId(): string {
    return tidings.deviceId
  }

  find(id: string | null | undefined): Device | undefined {
    return this.#known.find((device) => device.id === id)
  }

  /** A device's name for use in a sentence. */
  nameOf(id: string | null | undefined): string {
    return this.find(id)?.name ?? 'another device'
  }

  hear(device: Device): void {
    const before = this.find(device.id)
    if (before && before.seenAt > device.seenAt) return
    this.#known = [...this.#known.filter((other) => other !== before), device]
  }

  async load(): Promise<void> {
    const { devices, connections } = await call<DeviceList>('/devices')
    this.connections = connections
    devices.forEach((device) => this.hear(device))
    if (!this.find(this.hereId)) await this.rename(deviceName(navigator.userAgent))
  }

  /** Names this device; others cannot be named from here. */
  async rename(name: string): Promise<void> {
    this.hear(await call<Device>('/devices', { body: { name } }))
  }

  /** Lets another device ring. Resolves with whether it is online, and therefore rings at once. */
  async ring(id: string): Promise<boolean> {
    return (await call<{ online: boolean }>(`/devices/${encodeURIComponent(id)}/ring`, { method: 'POST' })).online
  }

  /** Lets all devices except this one ring. */
  async ringOthers(): Promise<void> {
    await call('/devices/ring', { method: 'POST' })
  }

  forget(): void {
    this.#known = []
  }
}

function inOrder(a: Device, b: Device): number {
  const rank = (device: Device): number => (device.id === devices.hereId ? 0 : device.online ? 1 : 2)
  return rank(a) - rank(b) || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1)
}

export const devices = new Devices()
