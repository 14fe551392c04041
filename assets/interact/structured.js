// What the page says about itself for machines: JSON-LD, microdata, meta data.
(() => {
  const T = globalThis.__troupe;
  if (T.has.structured) return;
  T.has.structured = 1;
  const { clean, fold } = T;

  const words = (s) => fold(String(s).replace(/([a-z0-9])([A-Z])/g, '$1 $2').replace(/[_\-.:/#()]+/g, ' '));
  const SAME = [
    ['title', 'name', 'headline', 'product name', 'product'], ['price', 'cost', 'low price', 'current price'],
    ['rating', 'rating value', 'stars', 'score', 'average rating'],
    ['reviews', 'review count', 'rating count', 'ratings', 'number of reviews'],
    ['author', 'creator', 'written by', 'by', 'channel'], ['description', 'summary', 'abstract'],
    ['published', 'date published', 'publish date', 'published date', 'upload date', 'published at', 'date', 'posted'],
    ['updated', 'date modified', 'modified', 'last updated'], ['image', 'thumbnail', 'thumbnail url', 'picture', 'photo', 'img', 'image url'],
    ['url', 'link', 'href', 'address'], ['duration', 'length', 'runtime', 'running time', 'total time'],
    ['views', 'view count', 'watch count'], ['likes', 'like count'], ['comments', 'comment count'],
    ['brand', 'manufacturer', 'maker'], ['currency', 'price currency'], ['availability', 'stock'],
    ['sku', 'article number', 'product id'], ['location', 'address', 'place'], ['company', 'hiring organization', 'employer'],
  ];
  // The names that may be meant by one, the given one first.
  T.names = (want) => {
    const out = [want], add = (w) => { if (w && !out.includes(w)) out.push(w); };
    add(want.endsWith('ies') ? want.slice(0, -3) + 'y' : want.endsWith('s') && !want.endsWith('ss') ? want.slice(0, -1) : want + 's');
    for (const same of SAME) if (same.includes(want)) same.forEach(add);
    return out;
  };

  const GENERIC = /^(name|url|image|description|title|headline|text|id|sku|date published|date|position)$/;
  const APART = /^(review|comment|isPartOf|publisher|itemListElement|breadcrumb|mainEntityOfPage|hasPart|potentialAction|isRelatedTo|isSimilarTo)$/;
  const facts = (node, out, depth) => {
    for (const key of Object.keys(node)) {
      if (key[0] === '@') continue;
      const value = node[key], name = words(key);
      if (!depth || !GENERIC.test(name)) out.push([name, value]);
      const one = Array.isArray(value) ? value[0] : value;
      if (one && typeof one === 'object' && depth < 2 && !APART.test(key)) facts(one, out, depth + 1);
    }
    return out;
  };
  const COUNTED = { views: /watch|view/i, likes: /like/i, comments: /comment/i, shares: /share/i };
  const counted = (node, want) => {
    const kind = COUNTED[want] || COUNTED[want.replace(/ count$/, 's')], some = [].concat(node.interactionStatistic || []);
    const one = kind && some.find((s) => kind.test(JSON.stringify(s.interactionType || s['@type'] || '')));
    return one ? one.userInteractionCount : null;
  };
  const textOf = (v, f) => {
    if (v === null || v === undefined) return '';
    if (Array.isArray(v)) {
      const all = v.map((one) => textOf(one, f)).filter(Boolean);
      return f.all ? all : f.type === 'string' && all.length < 11 ? all.join(', ') : all[0] || '';
    }
    if (typeof v === 'object') {
      const address = v.url || v.contentUrl || v['@id'] || '';
      const own = /^(url|image)$/.test(f.type) ? address || v.name : v.name || v.ratingValue || v.price || v['@value'] || v.value || v.text || address;
      return own ? textOf(own, f) : '';
    }
    return clean(String(v).replace(/^https?:\/\/schema\.org\/(?=[A-Z])/, ''));
  };
  const suits = (text, f) => {
    const one = Array.isArray(text) ? text[0] : text;
    if (!one) return false;
    if (/^(integer|number|count|price|duration|rating)$/.test(f.type)) return /\d/.test(one);
    if (/^(url|image)$/.test(f.type)) return /^(https?:|\/|\.|data:)/.test(one);
    return f.type !== 'boolean' || /^(true|false|yes|no)$/i.test(one);
  };
  // A node's value for a field, or null.
  const valueOf = (node, name, f) => {
    const want = words(f.label || name), known = node.facts || (node.facts = facts(node.data, [], 0));
    const number = counted(node.data, want);
    if (number !== null && number !== undefined) return String(number);
    for (const w of T.names(want)) for (const [key, value] of known) {
      if (key !== w) continue;
      const text = textOf(value, f);
      if (suits(text, f)) return text;
    }
    return null;
  };

  const linkedData = () => {
    const out = [];
    const add = (data, e) => {
      if (Array.isArray(data)) for (const d of data) add(d, e);
      else if (data && typeof data === 'object') {
        if (data['@graph']) add(data['@graph'], e);
        if (data.mainEntity && data.mainEntity['@type']) add(data.mainEntity, e);
        if (data['@type']) out.push({ data, e, kind: [].concat(data['@type']).join(' '), how: 'json-ld' });
      }
    };
    for (const s of document.querySelectorAll('script[type="application/ld+json"]'))
      try { add(JSON.parse(s.textContent), s); } catch { /* a broken block is no data */ }
    return out;
  };
  const scopeValue = (e) => {
    if (e.hasAttribute('itemscope')) return scopeData(e);
    if (e.hasAttribute('content')) return e.getAttribute('content');
    if (e.localName === 'a' || e.localName === 'link') return clean(e.textContent) && e.getAttribute('itemprop') !== 'url' ? clean(e.textContent) : e.href;
    if (/^(img|video|audio|source|iframe|embed)$/.test(e.localName)) return e.src;
    if (e.localName === 'data' || e.localName === 'meter') return e.getAttribute('value');
    return e.getAttribute('datetime') || clean(e.innerText || e.textContent);
  };
  const scopeData = (scope) => {
    const out = {};
    for (const e of scope.querySelectorAll('[itemprop]')) {
      if (e.parentElement.closest('[itemscope]') !== scope) continue;
      for (const key of e.getAttribute('itemprop').split(/\s+/))
        if (key) out[key] = key in out ? [].concat(out[key], scopeValue(e)) : scopeValue(e);
    }
    return out;
  };
  const microdata = () => [...document.querySelectorAll('[itemscope]:not([itemprop])')].slice(0, 500).map((e) => ({
    data: scopeData(e), e, kind: (e.getAttribute('itemtype') || '').split('/').pop(), how: 'microdata' }));

  const FURNITURE = /^(WebSite|WebPage|Organization|Corporation|NewsMediaOrganization|OnlineStore|BreadcrumbList|SearchAction|SiteNavigationElement|ImageObject|ItemList|CollectionPage|SearchResultsPage|ListItem|WPHeader|WPFooter|Person|)$/;
  const filled = (node, fields) => Object.keys(fields).filter((n) => !fields[n].fields && valueOf(node, n, fields[n]) !== null).length;
  // An application that replaced its page without a new document leaves the old page's data behind.
  const present = (node) => {
    const name = textOf(node.data.name || node.data.headline || node.data.title, { type: 'string' });
    return !name || node.how === 'microdata' || fold(document.body.innerText + ' ' + document.title).includes(fold(name).slice(0, 40));
  };
  // What the page is about, when exactly one thing has most of the fields; `get` reads a field of it.
  T.subject = (fields) => {
    const nodes = [...linkedData(), ...microdata()].filter((n) => !FURNITURE.test(n.kind));
    const scored = nodes.map((n) => [n, filled(n, fields)]).filter((s) => s[1]).sort((a, b) => b[1] - a[1]);
    if (!scored.length) return null;
    const best = scored.filter((s) => s[1] === scored[0][1]).map((s) => s[0]);
    const here = best.find((n) => [n.data.url, n.data['@id']].some((u) => u && u === location.href));
    const node = here || (best.every((n) => n.kind !== best[0].kind || n === best[0] || n.how !== best[0].how) ? best[0] : null);
    return node && present(node) ? { get: (name, f) => valueOf(node, name, f), e: node.e, how: node.how } : null;
  };
  // The best list of like things that the data holds: {rows, how, e}, or null.
  T.listed = (fields) => {
    const names = Object.keys(fields), data = linkedData(), lists = [];
    for (const node of data) if (Array.isArray(node.data.itemListElement) && !/Breadcrumb/.test(node.kind))
      lists.push(node.data.itemListElement.map((entry) => {
        const item = entry && typeof entry.item === 'object' ? { ...entry, ...entry.item } : entry;
        return { data: item && typeof item === 'object' ? item : { url: item }, e: node.e, how: node.how };
      }));
    const kinds = new Map();
    for (const node of [...data, ...microdata().filter((n) => T.visible(n.e))]) {
      if (FURNITURE.test(node.kind)) continue;
      const key = node.how + node.kind;
      kinds.set(key, [...(kinds.get(key) || []), node]);
    }
    for (const list of kinds.values()) if (list.length > 1) lists.push(list);
    let best = null;
    for (const list of lists) {
      const probe = list.slice(0, 3), score = probe.reduce((sum, n) => sum + filled(n, fields), 0) / probe.length;
      if (score * 2 >= names.length && (!best || score > best.score)) best = { list, score };
    }
    if (!best || !best.list.every(present)) return null;
    const rows = best.list.map((n) => Object.fromEntries(names.map((name) => [name, fields[name].fields ? null : valueOf(n, name, fields[name])])));
    return { rows, score: best.score, elements: best.list.map((n) => n.e), how: best.list[0].how };
  };
  const single = (key, want) => key === want || key === 'og:' + want || key.endsWith(':' + want);
  // A value of the document's meta data: [value, element], or null.
  T.metaOf = (want) => {
    const forms = [want, want.replace(/ /g, ':'), want.replace(/ /g, '_')];
    for (const m of document.querySelectorAll('meta[name],meta[property]')) {
      const key = (m.getAttribute('property') || m.name).toLowerCase();
      if (m.content && forms.some((w) => single(key, w))) return [m.content, m];
    }
    return null;
  };
  T.words = words;
})();
