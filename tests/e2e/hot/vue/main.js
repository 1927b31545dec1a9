import { createApp } from 'vue'
import { TidingsPlugin } from 'tidings/vue'
import { client } from './client.js'
import Note from './Note.vue'

createApp(Note).use(TidingsPlugin, { client }).mount('main')
