// The person's part: the robot of consent_robot.py, reached over HTTP.

async function order(config, method, ...args) {
  const response = await fetch(config.robot, {
    method: 'POST',
    body: JSON.stringify({ method, arguments: args }),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer)
  return answer
}

/** Where the person ends up who follows `url` and decides so on the consent page. */
export async function follow(config, url, decision = 'allow') {
  return new URL(await order(config, 'follow', String(url), decision))
}

/** The last page's words, after the person typed a device's code. */
export async function enterCode(config, url, code, decision = 'allow') {
  return order(config, 'enter_code', String(url), code, decision)
}
