import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { connect, signIn } from './connect.mjs'

export default async function (config) {
  const as = await connect(config)

  const tokens = await signIn(config, as, {
    parameters: { max_age: '3600' },
    checks: { maxAge: 3600 },
  })

  const claims = tokens.claims()
  assert.equal(claims.aud, config.client.client_id)
  assert.ok(tokens.expiresIn() > 0)
  const person = await oidc.fetchUserInfo(as, tokens.access_token, claims.sub)
  assert.equal(person.email, config.email)
  return { scope: tokens.scope, token_type: tokens.token_type }
}
