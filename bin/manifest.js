// Writes oclif.manifest.json: with it `sophia --help` need not load the commands, so it answers at once.
// Part of `npm run build`. The oclif package does the same, at the price of 300 other packages.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Config } from '@oclif/core'

const root = fileURLToPath(new URL('..', import.meta.url))
const config = new Config({ root, ignoreManifest: true })
await config.load()
const { manifest } = config.plugins.get(config.pjson.name)
writeFileSync(`${root}oclif.manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`)
