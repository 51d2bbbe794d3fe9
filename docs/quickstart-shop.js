// A shop's page: lists, and events that arrive also when the page is closed. See quickstart-shop.md.
export function shortlist(address, key, visitor) {
  async function list(name, body) {
    const headers = { "Content-Type": "application/json", "X-API-Key": key };
    const answer = await fetch(`${address}/v1/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    return answer.json(); // items, recommendation_id, next
  }
  const seen = []; // what was done on this visit, the latest last
  return {
    home: (n = 12) => list("recommend", { session: seen.slice(-20), n }),
    similar: (item_id, n = 6) => list("similar", { item_id, n }),
    cart: (item_ids, n = 4) => list("recommend", { item_ids, n }),
    search: (query, filter) => list("search", filter ? { query, filter } : { query }),
    nextPage: (name, page) => list(name, { page }),
    log(type, item_id, recommendation_id) {
      if (item_id) seen.push({ type, item_id });
      const event = { type, item_id, anonymous_id: visitor, time: new Date().toISOString() };
      if (recommendation_id) event.recommendation_id = recommendation_id;
      const url = `${address}/v1/events?api_key=${encodeURIComponent(key)}`;
      return navigator.sendBeacon(url, JSON.stringify(event));
    },
  };
}
