import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { ask, authenticate, discover, insecure, redeem } from './connect.mjs'

export default async function (config) {
  const as = await discover(config)
  const asked = await ask(config, as, { max_age: '3600' })
  const tokens = await redeem(config, as, asked)

  const { sub } = oauth.getValidatedIdTokenClaims(tokens)
  const info = await oauth.userInfoRequest(as, config.client, tokens.access_token, insecure)
  const person = await oauth.processUserInfoResponse(as, config.client, sub, info)
  assert.equal(person.email, config.email)

  const refreshed = await oauth.processRefreshTokenResponse(
    as,
    config.client,
    await oauth.refreshTokenGrantRequest(
      as,
      config.client,
      authenticate(config.client),
      tokens.refresh_token,
      insecure,
    ),
  )
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token)

  const revoked = await oauth.revocationRequest(
    as,
    config.client,
    authenticate(config.client),
    refreshed.access_token,
    insecure,
  )
  await oauth.processRevocationResponse(revoked)
  const gone = await oauth.userInfoRequest(as, config.client, refreshed.access_token, insecure)
  await assert.rejects(oauth.processUserInfoResponse(as, config.client, sub, gone), {
    code: oauth.WWW_AUTHENTICATE_CHALLENGE,
  })
}
