// Runs one scenario: its configuration comes as JSON on stdin, its result leaves as JSON on
// stdout. Anything it throws goes to stderr, with its causes, and ends the process with 1.
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'

try {
  const config = JSON.parse(await text(process.stdin))
  const { default: scenario } = await import(process.argv[2])
  const result = await scenario(config)
  process.stdout.write(JSON.stringify(result ?? null))
} catch (error) {
  process.stderr.write(`${inspect(error, { depth: 6 })}\n`)
  process.exitCode = 1
}
