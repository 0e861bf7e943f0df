// A refusal. Decide by type; detail is for people.
export class Problem extends Error {
  constructor(readonly type: string, readonly status: number, detail: string) {
    super(`${type}: ${detail}`);
  }
}

// Posts an order under its key until the response is final. Any other error than a Problem means
// that the outcome is unknown: call place again with the same key and body.
export async function place(url: string, token: string, key: string, order: unknown): Promise<string> {
  const request = {
    method: "POST",
    headers: { "Content-Type": "application/json", "Authorization": `Bearer ${token}`, "Idempotency-Key": key },
    body: JSON.stringify(order),
  };

  for (let attempt = 0; ; attempt++) {
    let wait = 2 ** Math.min(attempt, 5); // seconds: doubled each time, and half of it at random
    let failure: unknown;

    try {
      const response = await fetch(`${url}/orders`, { ...request, signal: AbortSignal.timeout(20_000) });
      const body = await response.json();
      if (response.ok) return body.id;

      failure = new Problem(body.type, response.status, body.detail);
      wait = Number(response.headers.get("Retry-After") ?? wait);
    } catch (error) {
      failure = error; // the outcome is unknown
    }

    const final = failure instanceof Problem && failure.status !== 429 && failure.status < 500;
    if (final || attempt === 7) throw failure;

    await new Promise((wake) => setTimeout(wake, wait * 1000 * (0.5 + Math.random() / 2)));
  }
}
