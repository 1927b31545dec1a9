import { client } from 'examples-web'
import type { Channels } from './channels'

export const tidings = client<Channels>()
