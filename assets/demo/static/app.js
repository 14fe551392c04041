// The pages' script: consent dialog, lists that load late, search results without end.
import { poster } from "/static/poster.js";

const PAGE_SIZE = 12;
const byId = (id) => document.getElementById(id);

function element(name, given = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(given)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

async function fetchJson(path, values) {
  const answer = await fetch(`${path}?${new URLSearchParams(values)}`);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

// One card, as lists everywhere show it: three links to two places.
function card(film) {
  const thumb = element("a", { class: "card-thumb", href: film.url, tabindex: "-1", "aria-hidden": "true" },
    poster(film), element("span", { class: "card-duration" }, film.duration));
  const title = element("h3", { class: "card-title" },
    element("a", { href: film.url, title: film.title }, film.title));
  const meta = element("p", { class: "card-meta" },
    element("span", { class: "card-views" }, film.views), element("span", { class: "dot", "aria-hidden": "true" }, " • "),
    element("span", { class: "card-age" }, film.age));
  const channel = element("a", { class: "card-channel", href: film.channel.url },
    element("span", { class: "avatar", "aria-hidden": "true" }, film.channel.initials),
    element("span", { class: "card-channel-name" }, film.channel.name));
  const body = element("div", { class: "card-body" }, title, meta, channel,
    element("p", { class: "card-text" }, film.text));
  return element("article", { class: "card", "data-id": film.id }, thumb, body);
}

function startConsent() {
  const dialog = byId("consent");
  if (!dialog) return;
  const choose = (choice, age) => {
    document.cookie = `consent=${choice}; path=/; SameSite=Lax${age}`;
    dialog.classList.add("leaving");
    setTimeout(() => {
      dialog.remove();
      document.documentElement.classList.remove("locked");
    }, 200);
  };
  byId("consent-accept").addEventListener("click", () => choose("accepted", "; max-age=31536000"));
  byId("consent-reject").addEventListener("click", () => choose("rejected", ""));
}

function startResults() {
  const list = byId("results");
  if (!list) return;
  let offset = Number(list.dataset.offset);
  let total = Infinity;
  let loading = false;

  async function load() {
    if (loading || offset >= total) return;
    loading = true;
    list.setAttribute("aria-busy", "true");
    byId("spinner").hidden = false;
    try {
      const found = await fetchJson("/api/search", { q: list.dataset.query, offset, limit: PAGE_SIZE });
      total = found.total;
      offset += found.items.length;
      if (found.items.length === 0) total = offset;
      list.append(...found.items.map(card));
      byId("results-count").textContent = found.total ? `${found.total} films` : "No films fit these words.";
    } catch (error) {
      total = offset;
      byId("results-count").textContent = `The list did not load: ${error.message}`;
    }
    loading = false;
    list.setAttribute("aria-busy", "false");
    byId("spinner").hidden = true;
    byId("end").hidden = offset < total;
    // The observer only tells of changes; a short list leaves the end in view.
    if (byId("more").getBoundingClientRect().top < innerHeight) load();
  }

  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) load();
  }, { rootMargin: "200px" }).observe(byId("more"));
}

function comment(item) {
  return element("article", { class: "comment" },
    element("span", { class: "avatar", "aria-hidden": "true" }, item.initials),
    element("div", {}, element("p", { class: "comment-head" },
      element("span", { class: "comment-author" }, item.author), " ",
      element("span", { class: "comment-age" }, item.age)),
    element("p", { class: "comment-text" }, item.text)));
}

async function fillLate(id, path, draw) {
  const list = byId(id);
  const found = await fetchJson(path, { v: byId("watch").dataset.id });
  list.replaceChildren(...found.items.map(draw));
  list.setAttribute("aria-busy", "false");
}

function startWatch() {
  if (!byId("watch")) return;
  byId("expand").addEventListener("click", () => {
    const open = byId("description").classList.toggle("clamped") === false;
    byId("expand").textContent = open ? "Show less" : "Show more";
    byId("expand").setAttribute("aria-expanded", String(open));
  });
  for (const id of ["like", "subscribe"])
    byId(id).addEventListener("click", (event) => {
      const button = event.currentTarget;
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    });
  fillLate("related", "/api/related", card);
  fillLate("comments", "/api/comments", comment);
}

function startTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  for (const tab of tabs)
    tab.addEventListener("click", () => {
      for (const each of tabs) {
        each.setAttribute("aria-selected", String(each === tab));
        each.tabIndex = each === tab ? 0 : -1;
        byId(each.getAttribute("aria-controls")).hidden = each !== tab;
      }
    });
}

const featured = byId("featured-films");
if (featured) byId("featured").append(...JSON.parse(featured.textContent).items.map(card));
startConsent();
startResults();
startWatch();
startTabs();
