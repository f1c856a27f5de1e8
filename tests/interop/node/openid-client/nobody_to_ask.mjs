import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { follow } from '../person.mjs'
import { connect, prepare } from './connect.mjs'

export default async function (config) {
  const as = await connect(config)
  const asked = await prepare(config, { prompt: 'none' })

  const returned = await follow(config, oidc.buildAuthorizationUrl(as, asked.parameters))

  await assert.rejects(oidc.authorizationCodeGrant(as, returned, asked.checks), {
    error: config.error,
  })
}
