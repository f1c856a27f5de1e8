// `node --import ./older_node/register.mjs program`: for programs that import `globSync` from `fs`
// by name, which Node has from 22 on. They start on Node 20 then; a call of it fails.
import * as fs from 'node:fs'
import { register } from 'node:module'

if (!('globSync' in fs)) register('./hooks.mjs', import.meta.url)
