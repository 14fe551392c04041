// Reads raw values out of the page: by selector, by label, from tables and from repeated structures.
// Conversion to types happens outside.
(() => {
  const T = globalThis.__troupe;
  if (T.has.extract) return;
  T.has.extract = 1;
  const { clean, fold } = T;

  const words = (s) => fold(String(s).replace(/([a-z0-9])([A-Z])/g, '$1 $2').replace(/[_\-.:/#()]+/g, ' '));
  const linkOf = (e) => {
    const a = e.closest('a[href]') || e.querySelector('a[href]');
    if (a) return a.href;
    const media = e.src ? e : e.querySelector('img[src],video[src],iframe[src],source[src]');
    return media ? media.src : null;
  };
  const imageOf = (e) => {
    const image = e.localName === 'img' ? e : e.querySelector('img');
    return image ? image.currentSrc || image.src : null;
  };
  const plain = (e) => {
    if (e.localName === 'meta') return e.content;
    if (/^(input|textarea|select)$/.test(e.localName))
      return e.localName === 'select' ? clean([...e.selectedOptions].map((o) => o.text).join(', ')) : T.valueOf(e);
    if (e.localName === 'img') return e.alt;
    // Initials in an avatar and other ornaments are not read out, so they are no data either.
    const read = e.querySelector('[aria-hidden=true]') ? T.content(e) : '';
    return read || clean(T.textOf(e)) || clean(e.textContent);
  };
  const checked = (e) => {
    if ('checked' in e && /^(checkbox|radio)$/.test(e.type)) return String(e.checked);
    const state = e.getAttribute('aria-checked') || e.getAttribute('aria-selected') || e.getAttribute('aria-pressed');
    return state || plain(e);
  };
  const URLS = /^(href|src|action|currentSrc|poster)$/;
  const read = (e, f) => {
    let raw;
    if (f.attr === 'text') raw = plain(e);
    else if (f.attr === 'html') raw = e.innerHTML;
    else if (f.attr === 'value') raw = T.valueOf(e);
    else if (f.attr) raw = URLS.test(f.attr) && e[f.attr] ? String(e[f.attr]) : e.getAttribute(f.attr);
    else if (f.type === 'url') raw = e.localName === 'img' ? imageOf(e) : linkOf(e) || plain(e);
    else if (f.type === 'boolean') raw = checked(e);
    else if (/^(date|duration)$/.test(f.type) && e.getAttribute('datetime')) raw = e.getAttribute('datetime');
    else if (e.getAttribute('content') && e.hasAttribute('itemprop')) raw = e.getAttribute('content');
    else raw = plain(e);
    if (raw === null || raw === undefined) return null;
    if (!f.pattern) return raw;
    const m = new RegExp(f.pattern, 'u').exec(raw);
    return m ? m[1] === undefined ? m[0] : m[1] : null;
  };

  // --- By name: `release_year` finds "Release year: 1925", <dt>, a table row, itemprop, og:, a class. ---
  const LABELS = 'dt,th,label,b,strong,span,div,p,li,td,legend,h2,h3,h4,h5,h6';
  const afterLabel = (e, f) => {
    if (e.localName === 'label' && e.control) return read(e.control, f);
    const cell = e.closest('th,td,dt') || e;
    let next = cell.nextElementSibling;
    if (cell.localName === 'th' && next && next.localName === 'th') return null;
    if (!next && /^(b|strong|span|label)$/.test(e.localName)) {
      const rest = clean((e.parentElement.textContent || '').slice(e.textContent.length + e.parentElement.textContent.indexOf(e.textContent)));
      return rest.replace(/^[:\s–-]+/, '') || null;
    }
    if (!next) return null;
    const between = e.nextSibling && e.nextSibling !== next && e.nextSibling.nodeType === 3 ? clean(e.nextSibling.data).replace(/^[:\s–-]+/, '') : '';
    return between || read(next, f);
  };
  const byLabel = (root, want, f) => {
    for (const r of T.roots(root)) for (const e of r.querySelectorAll(LABELS)) {
      const raw = e.textContent;
      if (raw.length > 400) continue;
      const text = clean(raw), bare = words(text).replace(/\s*[:：]$/, '');
      if (bare === want || words(text.replace(/[:：]\s*$/, '')) === want) {
        const value = afterLabel(e, f);
        if (value) return value;
      }
      const colon = text.search(/[:：]/);
      if (colon > 0 && words(text.slice(0, colon)) === want && !e.querySelector('dt,th,li,p')) {
        const value = clean(text.slice(colon + 1));
        if (value) return f.type === 'url' ? linkOf(e) || value : value;
      }
    }
    return null;
  };
  const byItemprop = (root, name, f) => {
    const e = root.querySelector('[itemprop="' + CSS.escape(name) + '" i]');
    return e ? read(e, f) : null;
  };
  const byToken = (root, want, f) => {
    const joined = want.replace(/ /g, '');
    let best = null, score = 0;
    for (const r of T.roots(root)) for (const e of r.querySelectorAll('[class],[id],[data-testid],[data-test],[data-qa],[data-field],[slot],[part]')) {
      for (const a of ['data-field', 'data-testid', 'data-test', 'data-qa', 'slot', 'part', 'id', 'class']) {
        for (const token of (e.getAttribute(a) || '').split(/\s+/)) {
          const w = words(token);
          const s = !w ? 0 : w === want || w.replace(/ /g, '') === joined ? 3 : w.endsWith(' ' + want) ? 2 : w.startsWith(want + ' ') ? 1 : 0;
          if (s > score) { best = e; score = s; }
        }
      }
    }
    return best ? read(best, f) : null;
  };
  const linked = (value, name) => {
    if (!value || typeof value !== 'object') return null;
    if (Array.isArray(value)) {
      for (const v of value) { const found = linked(v, name); if (found !== null) return found; }
      return null;
    }
    for (const key of Object.keys(value)) if (words(key) === name) {
      const v = value[key];
      if (v === null || v === undefined) continue;
      return typeof v === 'object' ? String((Array.isArray(v) ? v[0] : v).name || (Array.isArray(v) ? v[0] : '')) || null : String(v);
    }
    return linked(value['@graph'], name);
  };
  const ofDocument = (name, want, f) => {
    for (const s of document.querySelectorAll('script[type="application/ld+json"]')) {
      try {
        const value = linked(JSON.parse(s.textContent), want);
        if (value) return value;
      } catch { /* a broken block is no data */ }
    }
    const key = want.replace(/ /g, ':');
    for (const m of document.querySelectorAll('meta[name],meta[property]')) {
      const k = (m.getAttribute('property') || m.name).toLowerCase();
      if ((k === want || k === 'og:' + key || k === 'og:' + want || k.endsWith(':' + want)) && m.content) return m.content;
    }
    if (want === 'title') return document.title || null;
    if (want === 'url' || want === 'link') return location.href;
    if (want === 'h1' || want === 'heading') { const h = document.querySelector('h1'); return h ? plain(h) : null; }
    return null;
  };
  const SHAPES = {
    duration: /^(?:\d{1,2}:)?\d{1,3}:\d{2}$|^PT\d/, price: /^(?:[$€£¥]|USD|EUR|GBP|CHF)\s?\d[\d.,' ]*$|^\d[\d.,' ]*\s?(?:[$€£¥]|USD|EUR|GBP|CHF)$/,
  };
  const leaves = (root) => T.everything(root).filter((e) => ![...e.children].some((c) => clean(c.textContent)));
  // What a card's parts are by their nature: its heading, link, picture, duration, price, time.
  const byNature = (root, want, f) => {
    if (want === 'title' || want === 'name' || want === 'heading') {
      const e = root.querySelector('h1,h2,h3,h4,h5,h6,[role=heading]') || [...root.querySelectorAll('a[href]')].find((a) => clean(a.innerText));
      if (e) return read(e, f);
    }
    if (/^(url|link|href)$/.test(want)) return linkOf(root);
    if (/^(image|img|thumbnail|picture|photo|avatar)$/.test(want)) return imageOf(root);
    if (/^(date|time|published|age|updated|posted)$/.test(want)) { const t = root.querySelector('time'); if (t) return read(t, f); }
    const shape = SHAPES[f.type];
    if (shape) for (const e of leaves(root)) if (shape.test(plain(e))) return plain(e);
    if (/^(count|integer|number)$/.test(f.type)) {
      const pattern = new RegExp('([\\d.,]+\\s?[KMB]?)\\s+' + want.replace(/s$/, '') + 's?\\b|\\b' + want + '\\s*[:(]?\\s*([\\d.,]+\\s?[KMB]?)', 'i');
      const m = pattern.exec(clean(root.innerText || root.textContent));
      if (m) return m[1] || m[2];
    }
    return null;
  };
  const byName = (root, name, f) => {
    const want = words(f.label || name), whole = root.nodeType === 9 || root === document.body;
    if (root.nodeType === 1 && root.matches('[itemprop="' + CSS.escape(name) + '" i]')) return read(root, f);
    const found = byLabel(root, want, f) || byItemprop(root, name, f) || byToken(root, want, f);
    if (found) return found;
    if (whole) { const value = ofDocument(name, want, f); if (value && !(want === 'title' && root.querySelector('h1'))) return value; }
    const nature = byNature(root, want, f);
    return nature && f.pattern ? (new RegExp(f.pattern, 'u').exec(nature) || [null])[0] : nature;
  };

  // --- Records and lists. ---
  const field = (root, name, f) => {
    if (f.fields) return many(root, f);
    if (f.q) {
      const list = T.all(f.q, root);
      if (root.nodeType === 1 && f.q.css === ':scope') list.push(root);
      if (f.all) return list.map((e) => read(e, f)).filter((v) => v !== null && v !== '');
      for (const e of list) {
        const value = read(e, f);
        if (value !== null && value !== '') return value;
      }
      return null;
    }
    if (f.attr && root.nodeType === 1 && root.hasAttribute(f.attr)) return read(root, f);
    const value = byName(root, name, f);
    if (!f.all) return value;
    return value === null ? [] : String(value).split(/\s*[,;·|]\s*/).filter(Boolean);
  };
  const record = (root, fields) => {
    const out = {};
    for (const name of Object.keys(fields)) out[name] = field(root, name, fields[name]);
    return out;
  };
  const filled = (values) => Object.values(values).filter((v) => v !== null && v !== '' && !(Array.isArray(v) && !v.length)).length;

  const headerOf = (table) => {
    for (const tr of table.querySelectorAll('tr,[role=row]')) {
      const cells = [...tr.children];
      const heads = cells.filter((c) => c.localName === 'th' || c.getAttribute('role') === 'columnheader');
      if (heads.length > 1 || (heads.length && heads.length === cells.length)) return [tr, cells.map((c) => words(plain(c)))];
      if (cells.length > 1 && cells.every((c) => c.localName === 'td')) return [tr, cells.map((c) => words(plain(c)))];
    }
    return null;
  };
  const columnsFor = (heads, fields) => {
    const columns = {};
    for (const name of Object.keys(fields)) {
      const want = words(fields[name].label || name);
      let at = heads.indexOf(want);
      if (at < 0) at = heads.findIndex((h) => h && (h.split(' ').includes(want) || h.startsWith(want)));
      if (at >= 0) columns[name] = at;
    }
    return columns;
  };
  const fromTable = (root, fields) => {
    let best = null;
    for (const r of T.roots(root)) for (const table of r.querySelectorAll('table,[role=table],[role=grid]')) {
      const header = headerOf(table);
      if (!header) continue;
      const columns = columnsFor(header[1], fields), n = Object.keys(columns).length;
      if (n && (!best || n > best.n)) best = { table, header, columns, n };
    }
    const names = Object.keys(fields);
    if (!best || best.n * 2 < names.length) return null;
    const rows = [];
    for (const tr of best.table.querySelectorAll('tr,[role=row]')) {
      if (tr === best.header[0] || tr.closest('table,[role=table],[role=grid]') !== best.table) continue;
      const cells = [...tr.children];
      if (cells.length < 2 && names.length > 1) continue;
      const values = {};
      for (const name of names) {
        const cell = cells[best.columns[name]];
        values[name] = cell ? read(cell, fields[name]) : best.columns[name] === undefined ? byNature(tr, words(name), fields[name]) : null;
      }
      if (filled(values)) rows.push(values);
    }
    return rows.length ? { rows, how: 'table' } : null;
  };
  const groups = (root) => {
    const found = new Map();
    for (const r of T.roots(root)) for (const e of r.querySelectorAll('*')) {
      if (T.skip.test(e.localName) || /^(option|br|path|g|source|td|th)$/.test(e.localName) || !e.parentNode) continue;
      let kin = found.get(e.parentNode);
      if (!kin) found.set(e.parentNode, (kin = new Map()));
      const key = e.localName + '.' + (e.classList[0] || '');
      if (!kin.has(key)) kin.set(key, []);
      kin.get(key).push(e);
    }
    return [...found.values()].flatMap((kin) => [...kin.values()]).filter((list) => list.length > 1 && list.some((e) => T.visible(e)));
  };
  // The group of like siblings whose members have most of the wanted fields; the larger one of equals.
  const fromRepeated = (root, fields) => {
    let best = null;
    const names = Object.keys(fields).length;
    for (const list of groups(root).sort((a, b) => b.length - a.length).slice(0, 60)) {
      const probe = list.filter((e) => T.visible(e)).slice(0, 3);
      const score = probe.reduce((sum, e) => sum + filled(record(e, fields)), 0) / Math.max(probe.length, 1);
      if (score * 2 >= names && (!best || score > best.score)) best = { list, score };
    }
    return best ? { rows: best.list.map((e) => record(e, fields)).filter(filled), how: 'repeated' } : null;
  };
  const many = (root, spec) => {
    if (spec.items) return T.all(spec.items, root).map((e) => record(e, spec.fields)).filter(filled);
    if (!spec.list) return record(root, spec.fields);
    const found = fromTable(root, spec.fields) || fromRepeated(root, spec.fields);
    return found ? found.rows : [];
  };
  const limited = (rows, spec) => {
    if (spec.uniqueBy) {
      const seen = new Set();
      rows = rows.filter((r) => { const k = JSON.stringify(r[spec.uniqueBy]); if (seen.has(k)) return false; seen.add(k); return true; });
    }
    return rows.slice(0, spec.limit);
  };
  const missing = (value, spec) => Object.keys(spec.fields).find((n) => spec.fields[n].required && (value[n] === null || value[n] === ''));
  // Extracts; waits at most `ms` for the region, for `min` items, for required fields.
  T.extract = async (spec, ms) => {
    let last = null;
    const answer = await T.until(() => {
      let root = document;
      if (spec.within) {
        root = T.all(spec.within)[0];
        if (!root) return { why: 'region' };
      }
      const list = spec.items || spec.list;
      last = many(root, spec);
      if (list) last = limited(last, spec);
      if (list ? last.length < Math.max(spec.min, 1) : !filled(last) || missing(last, spec)) return { why: 'short' };
      return {};
    }, ms);
    return { value: last, why: answer.why || '', url: location.href, frames: answer.frames };
  };
})();
