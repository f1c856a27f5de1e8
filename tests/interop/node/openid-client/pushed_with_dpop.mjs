import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { follow } from '../person.mjs'
import { connect, prepare } from './connect.mjs'

/** RFC 9449 §10.1: the proof that comes with the pushed request binds the code. */
export default async function (config) {
  const as = await connect(config)
  const DPoP = oidc.getDPoPHandle(as, await oidc.randomDPoPKeyPair())
  const asked = await prepare(config)

  const url = await oidc.buildAuthorizationUrlWithPAR(as, asked.parameters, { DPoP })
  const returned = await follow(config, url)
  const thief = oidc.getDPoPHandle(as, await oidc.randomDPoPKeyPair())
  if (config.is_stolen) {
    await assert.rejects(
      oidc.authorizationCodeGrant(as, returned, asked.checks, {}, { DPoP: thief }),
      { status: 400 },
    )
    return
  }
  const tokens = await oidc.authorizationCodeGrant(as, returned, asked.checks, {}, { DPoP })

  assert.equal(tokens.token_type, 'dpop')
}
