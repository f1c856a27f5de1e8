import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { discover, insecure } from './connect.mjs'

export default async function (config) {
  const as = await discover(config)

  const response = await oauth.dynamicClientRegistrationRequest(
    as,
    {
      client_name: 'Registered by oauth4webapi',
      redirect_uris: ['http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    },
    { initialAccessToken: config.initial_access_token, ...insecure },
  )
  const client = await oauth.processDynamicClientRegistrationResponse(response)
  assert.equal(client.client_secret, undefined)
  assert.equal(client.application_type, 'native')

  const refused = await oauth.dynamicClientRegistrationRequest(
    as,
    { redirect_uris: ['http://client.interop.example/callback'] },
    { initialAccessToken: config.initial_access_token, ...insecure },
  )
  await assert.rejects(oauth.processDynamicClientRegistrationResponse(refused), {
    error: 'invalid_redirect_uri',
    status: 400,
  })
}
