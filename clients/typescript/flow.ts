// The main flow with generated types, against the server at ORDERS_URL.
import createClient from "openapi-fetch";

import { Problem, place } from "./place.js";
import type { components, paths } from "./schema.js";

declare const process: { env: Record<string, string | undefined> };

type Order = components["schemas"]["Order"];

const api = createClient<paths>({ baseUrl: process.env["ORDERS_URL"] ?? "" });
const name = `ts-${Date.now()}`;

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

async function settled(id: string): Promise<Order> {
  for (;;) {
    const { data, error } = await api.GET("/orders/{id}", { params: { path: { id } } });
    check(data !== undefined, `read order: ${error?.detail}`);

    if (data.steps.every((step) => step.state !== "waiting" && step.state !== "retrying")) return data;

    await new Promise((wake) => setTimeout(wake, 50));
  }
}

const sku = { params: { path: { sku: name } } };
const product = await api.PUT("/products/{sku}", { ...sku, body: { name: "Tea", price: 1250, currency: "EUR" } });
check(product.response.status === 201 && product.data?.price === 1250, "product");

const stale = { params: { ...sku.params, header: { "If-Match": '"stale"' } } };
const outdated = await api.PUT("/products/{sku}", { ...stale, body: { name: "Tea", price: 1, currency: "EUR" } });
check(outdated.error?.type === "/problems/precondition-failed", "product with If-Match");

const receipt = await api.POST("/products/{sku}/receipts", { ...sku, body: { quantity: 10, reference: "first" } });
check(receipt.data?.available === 10, "receipt");

const request = {
  params: { header: { "Idempotency-Key": name } },
  body: { user_id: name, lines: [{ sku: name, quantity: 2 }] },
};
const placed = await api.POST("/orders", request);
check(placed.data?.total === 2500, "order");

const again = await api.POST("/orders", request);
check(again.data?.id === placed.data.id && again.response.headers.get("Idempotent-Replayed") === "true", "the same order");

const order = await settled(placed.data.id);
check(order.status === "confirmed" && order.steps.length === 3, `order is ${order.status}`);

const path = { params: { path: { id: order.id } } };
const why = await api.GET("/orders/{id}/why", path);
check(why.data?.code === "settled" && why.data.step === null, "why");

const points = await api.GET("/users/{id}/points", { params: { path: { id: name } } });
check(points.data?.balance === 10 && points.data.entries[0]?.kind === "earn", "points");

const inbox = await api.GET("/users/{id}/notifications", { params: { path: { id: name } } });
check(inbox.data?.notifications[0]?.template === "created", "inbox");

const held = await api.POST("/orders", { body: { ...request.body, hold_seconds: 600 } });
check(held.data !== undefined, "held order");

const { id, total, currency } = held.data;
const payment = { reference: `pay-${name}`, amount: total, currency };
const paid = await api.POST("/orders/{id}/payment", { params: { path: { id } }, body: payment });
check(paid.data !== undefined && (await settled(id)).status === "confirmed", "payment");

const cancellation = { params: { ...path.params, header: { "Idempotency-Key": `cancel-${name}` } } };

for (const replayed of [null, "true"]) {
  const cancelled = await api.POST("/orders/{id}/cancel", cancellation);
  check(cancelled.data?.status === "cancelled", "cancel");
  check(cancelled.response.headers.get("Idempotent-Replayed") === replayed, "cancel once");
}

const letters = await api.GET("/dead-letters", { params: { query: { state: "all" } } });
check(letters.data !== undefined, "dead letters");

const refused = await api.POST("/orders", { body: { user_id: name, lines: [{ sku: "no-such", quantity: 1 }] } });
check(refused.error?.type === "/problems/unknown-sku", "refusal");

// The sample of docs/api.md, with the key of the order above: it is placed once.
const url = process.env["ORDERS_URL"] ?? "";
check((await place(url, "", name, request.body)) === placed.data.id, "sample");

const wrong = { user_id: name, lines: [{ sku: "no-such", quantity: 1 }] };
const problem = await place(url, "", `${name}-2`, wrong).catch((error: unknown) => error);
check(problem instanceof Problem && problem.type === "/problems/unknown-sku", "sample's refusal");
