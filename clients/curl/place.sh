# Places an order, and tries again until the response is final. Needs curl 7.52 or newer.
place() {
	curl --silent --show-error --max-time 20 \
		--retry 8 --retry-connrefused --retry-max-time 120 \
		--header 'Content-Type: application/json' \
		--header "Authorization: Bearer ${ORDERS_TOKEN:-none}" \
		--header "Idempotency-Key: $1" \
		--data "$2" \
		"$ORDERS_URL/orders"
}
