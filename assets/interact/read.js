// Reads raw values out of the page by selector, and waits for them. Conversion to types happens outside.
// What has no selector is left to extract.js, which is sent when it is needed.
(() => {
  const T = globalThis.__troupe;
  if (T.has.read) return;
  T.has.read = 1;
  const { clean } = T;

  // Where the value that is being looked for was read, and in which way it was found.
  const from = { at: null, how: '' };
  const linkOf = (e) => {
    const a = e.closest('a[href]') || e.querySelector('a[href]');
    if (a) return a.href;
    const media = e.src ? e : e.querySelector('img[src],video[src],iframe[src],source[src]');
    return media ? media.src : null;
  };
  const absolute = (url) => { try { return new URL(url, document.baseURI).href; } catch { return null; } };
  // Pictures that are loaded late have their address elsewhere until then.
  const pictureOf = (i) => {
    const set = (i.getAttribute('srcset') || i.getAttribute('data-srcset') || '').trim().split(/[\s,]+/)[0];
    const src = i.currentSrc || i.src, late = i.getAttribute('data-src') || i.getAttribute('data-original') || i.getAttribute('data-lazy-src');
    if (src && !src.startsWith('data:')) return src;
    return late || set ? absolute(late || set) : src || null;
  };
  const imageOf = (e) => {
    const image = e.localName === 'img' ? e : e.querySelector('img');
    if (image) return pictureOf(image);
    const video = e.localName === 'video' ? e : e.querySelector('video[poster]');
    if (video && video.poster) return video.poster;
    for (const x of [e, ...e.querySelectorAll('[style*="background"]')]) {
      const m = /url\(["']?([^"')]+)/.exec(x.style ? x.style.backgroundImage : '');
      if (m) return absolute(m[1]);
    }
    return null;
  };
  const plain = (e) => {
    if (e.localName === 'meta') return e.content;
    if (/^(input|textarea|select)$/.test(e.localName))
      return e.localName === 'select' ? clean([...e.selectedOptions].map((o) => o.text).join(', ')) : T.valueOf(e);
    if (e.localName === 'img') return e.alt;
    // Initials in an avatar and other ornaments are not read out, so they are no data either.
    const read = e.firstElementChild && e.querySelector('[aria-hidden=true]') ? T.want('names') && T.content(e) : '';
    return read || clean(T.textOf(e)) || clean(e.textContent);
  };
  const checked = (e) => {
    if ('checked' in e && /^(checkbox|radio)$/.test(e.type)) return String(e.checked);
    const state = e.getAttribute('aria-checked') || e.getAttribute('aria-selected') || e.getAttribute('aria-pressed');
    return state || plain(e);
  };
  const rated = (e) => T.want('extract') && T.ratingOf(e);
  const URLS = /^(href|src|action|currentSrc|poster)$/;
  // How a field's raw value is taken from an element.
  const taking = ({ attr, type }) => {
    if (attr === 'text') return plain;
    if (attr === 'html') return (e) => e.innerHTML;
    if (attr === 'value') return T.valueOf;
    if (attr) return (e) => (URLS.test(attr) && e[attr] ? String(e[attr]) : e.getAttribute(attr));
    if (type === 'url') return (e) => (e.localName === 'img' ? imageOf(e) : linkOf(e) || plain(e));
    if (type === 'image') return (e) => imageOf(e) || linkOf(e);
    if (type === 'rating') return (e) => e.getAttribute('content') || rated(e) || plain(e);
    if (type === 'boolean') return checked;
    const dated = /^(date|duration)$/.test(type);
    return (e) => (dated && e.getAttribute('datetime')) || (e.hasAttribute('itemprop') && e.getAttribute('content')) || plain(e);
  };
  const read = (e, f) => {
    from.at = e;
    const raw = (f.take ||= taking(f))(e);
    if (raw === null || raw === undefined) return null;
    if (!f.pattern) return raw;
    const m = (f.regexp ||= new RegExp(f.pattern, 'u')).exec(raw);
    return m ? m[1] === undefined ? m[0] : m[1] : null;
  };

  // --- Records and lists. ---
  // Of each record, where its values come from.
  const origins = new WeakMap();
  const gather = (fill) => {
    const out = {}, places = {};
    fill((name, get) => {
      from.at = null;
      from.how = '';
      out[name] = get();
      if (from.at && out[name] !== null) places[name] = [from.at, from.how];
    });
    origins.set(out, places);
    return out;
  };
  const field = (root, name, f, subject) => {
    if (f.fields) return many(root, f);
    if (f.q) {
      from.how = 'selector';
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
    T.want('extract');
    const value = T.byName(root, name, f, subject);
    if (!f.all || Array.isArray(value)) return value;
    return value === null ? [] : String(value).split(/\s*[,;·|]\s*/).filter(Boolean);
  };
  const record = (root, fields, subject) => gather((put) => {
    for (const name of Object.keys(fields)) put(name, () => field(root, name, fields[name], subject));
  });
  const countFilled = (values) => Object.values(values).filter((v) => v !== null && v !== '' && !(Array.isArray(v) && !v.length)).length;

  const named = (fields) => Object.values(fields).some((f) => !f.q && !f.fields) && T.want('extract');
  // Values of selectors only, whose places nobody asks for.
  const quick = (fields) => {
    const rows = Object.entries(fields);
    if (sourced || !rows.every(([, f]) => f.q)) return (e) => record(e, fields);
    return (e) => {
      const out = {};
      for (const [name, f] of rows) out[name] = field(e, name, f);
      return out;
    };
  };
  let sourced = false;
  const many = (root, spec) => {
    if (spec.items) {
      const list = T.all(spec.items, root);
      T.lastItem = list[list.length - 1] || T.lastItem;
      return list.map(quick(spec.fields)).filter(countFilled);
    }
    if (!spec.list) return record(root, spec.fields, root.nodeType === 9 && named(spec.fields) ? T.subject(spec.fields) : null);
    T.want('extract');
    const found = T.listOf(root, spec.fields);
    if (found) T.lastItem = found.elements[found.elements.length - 1] || T.lastItem;
    return found ? found.rows.filter(countFilled) : [];
  };
  const limited = (rows, spec) => {
    if (spec.uniqueBy) {
      const seen = new Set();
      rows = rows.filter((r) => { const k = JSON.stringify(r[spec.uniqueBy]); if (seen.has(k)) return false; seen.add(k); return true; });
    }
    return rows.slice(0, spec.limit);
  };
  const sourcesOf = (value) => {
    if (Array.isArray(value)) return value.map(sourcesOf);
    const places = value && typeof value === 'object' ? origins.get(value) : null, out = {};
    if (!places) return null;
    for (const name of Object.keys(value)) {
      const inner = sourcesOf(value[name]);
      if (inner && (!Array.isArray(inner) || inner.some(Boolean))) out[name] = inner;
      else if (places[name]) out[name] = { selector: T.pathOf(places[name][0]), found_by: places[name][1] };
    }
    return out;
  };

  // --- Whether anything may still come without an action. ---
  let changedAt = -1;
  const watch = () => {
    if (changedAt >= 0) return;
    changedAt = performance.now();
    new MutationObserver(() => (changedAt = performance.now())).observe(document, { childList: true, subtree: true, characterData: true });
  };
  const BUSY = '[aria-busy=true],[role=progressbar]:not([aria-valuenow]),[class*=spinner i],[class*=loading i],[class*=skeleton i]';
  const YOUNG = 1500;
  // 'no', 'perhaps' (scripts may wait for an answer of the network) or 'yes'.
  const coming = (spec) => {
    if (document.readyState !== 'complete' || spec.acted) return 'yes';
    const scripts = window.length || [...document.scripts].some((s) => !s.type || /javascript|ecmascript|module/.test(s.type));
    if (!scripts) return 'no';
    // Timers cannot be seen from here: what a page puts in a little after it was loaded is waited for.
    const [loading] = performance.getEntriesByType('navigation');
    if (loading && performance.now() - loading.loadEventEnd < YOUNG) return 'yes';
    if (performance.now() - changedAt < 300 || [...document.querySelectorAll(BUSY)].slice(0, 50).some((e) => T.visible(e))) return 'yes';
    return spec.idle ? 'no' : 'perhaps';
  };
  const missing = (value, spec) => Object.keys(spec.fields).find((n) => spec.fields[n].required && (value[n] === null || value[n] === ''));
  // Extracts; waits at most `ms` for the region, for `min` items, for required fields.
  // Unless `spec.certain`, only as long as something may still come. `spec.beyond`: the last record
  // that is known, and how many: another one is waited for.
  T.extract = async (spec, ms) => {
    let last = null, more = '';
    sourced = Boolean(spec.sources);
    if (T.rate) T.rate(spec.fields);
    const answer = await T.until(() => {
      let root = document;
      if (spec.within) {
        root = T.all(spec.within)[0];
        if (!root) return { why: 'region' };
      }
      const list = spec.items || spec.list;
      last = T.atOnce(() => many(root, spec));
      if (list) last = limited(last, spec);
      const rows = spec.inner ? last[spec.inner] || [] : last;
      const known = spec.beyond && rows.length <= spec.beyond.count && (!rows.length || JSON.stringify(rows[rows.length - 1]) === spec.beyond.last);
      if (!known && !(list ? last.length < Math.max(spec.min, 1) : !countFilled(last) || missing(last, spec))) return {};
      watch();
      const hidden = T.suspects(true);
      if (hidden) return { why: 'short', final: true, closed: hidden };
      more = spec.certain ? 'yes' : coming(spec);
      return { why: 'short', final: more !== 'yes' };
    }, ms);
    const out = { value: last, why: answer.why || '', url: location.href, frames: answer.frames, closed: answer.closed || 0 };
    if (answer.why && more === 'perhaps') out.ask = 1;
    if (spec.sources) out.sources = T.want('names') && sourcesOf(last);
    return out;
  };
  Object.assign(T, { from, linkOf, imageOf, absolute, plain, read, origins, gather, record, countFilled });
})();
