import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { connect } from './connect.mjs'

/** RFC 9701 §5: signed for the caller, and encrypted to its key. */
export default async function (config) {
  const { kid, alg } = config.private_key
  const parameters = { name: 'ECDH', namedCurve: 'P-256' }
  const { use, ...jwk } = config.private_key
  const key = await crypto.subtle.importKey('jwk', jwk, parameters, false, ['deriveBits'])
  const { introspection_signed_response_alg } = config.client
  const as = await connect(config, undefined, { introspection_signed_response_alg })
  const answers = []
  as[oidc.customFetch] = async (...args) => {
    const response = await fetch(...args)
    answers.push(await response.clone().text())
    return response
  }
  oidc.enableDecryptingResponses(as, [config.client.introspection_encrypted_response_enc], {
    key,
    alg,
    kid,
  })

  const live = await oidc.tokenIntrospection(as, config.token)

  assert.equal(answers.at(-1).split('.').length, 5, 'a compact JWE has five parts')
  return live
}
