// Reads raw values that have no selector: by label, by nature, from tables and from repeated structures.
(() => {
  const T = globalThis.__troupe;
  if (T.has.extract) return;
  T.has.extract = 1;
  const { clean, words, from, linkOf, imageOf, absolute, plain, read, origins, gather, record, countFilled } = T;

  const OF = /(\d+(?:[.,]\d+)?)\s*(?:out of|of|\/|von|sur|de|su)\s*\d+|(\d+(?:[.,]\d+)?)[\s-]*(?:stars?|sterne|étoiles)|(?:rated|rating:?|score:?)\s*(\d+(?:[.,]\d+)?)/i;
  const NUMBERS = { one: 1, two: 2, three: 3, four: 4, five: 5 };
  const EMPTY = /empty|off\b|outline|inactive|grey|gray|(^|[-_ ])o($|[-_ ])|disabled|unfilled/i;
  const starsIn = (e) => {
    const text = e.textContent, full = (text.match(/★/g) || []).length, half = /½/.test(text) ? 0.5 : 0;
    if (full && (text.includes('☆') || full < 5 || !/\d/.test(text))) return String(full + half);
    const icons = [...e.querySelectorAll('i,svg,img,span,path')].filter((x) => /(^|[-_ ])star/i.test(x.getAttribute('class') || x.getAttribute('src') || '') && !x.children.length);
    if (icons.length < 3 || icons.length > 10) return null;
    const lit = icons.filter((x) => !EMPTY.test(x.getAttribute('class') || x.getAttribute('src') || ''));
    const halves = lit.filter((x) => /half/i.test(x.getAttribute('class') || x.getAttribute('src') || '')).length;
    return lit.length < icons.length || halves ? String(lit.length - halves / 2) : null;
  };
  // A rating as people see it: a number of stars, told, drawn or counted.
  const ratingOf = (e) => {
    for (const x of [e, ...e.querySelectorAll('[aria-label],[title],[alt],[data-rating],[data-score],[class*="rating" i],[class*="star" i],meter')]) {
      const own = x.getAttribute('data-rating') || x.getAttribute('data-score') || (x.localName === 'meter' && x.getAttribute('value'));
      if (own) return own;
      const told = OF.exec([x.getAttribute('aria-label'), x.getAttribute('title'), x.getAttribute('alt')].filter(Boolean).join(' '));
      if (told) return told[1] || told[2] || told[3];
      const kind = x.getAttribute('class') || '', word = /star|rating/i.test(kind) && /(^|[ _-])(one|two|three|four|five)($|[ _-])/i.exec(kind);
      if (word) return String(NUMBERS[word[2].toLowerCase()]);
    }
    const told = OF.exec(clean(e.innerText || e.textContent).slice(0, 400));
    return told ? told[1] || told[2] || told[3] : starsIn(e);
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
  // Whether a text can be of the field's type at all.
  const suits = (text, f) => {
    if (text === null || text === undefined || text === '') return false;
    if (/^(integer|number|count|price|duration|rating)$/.test(f.type) && !f.attr) return /\d/.test(text) || (f.type === 'count' && /^no /i.test(text));
    return true;
  };
  const byLabel = (root, want, f) => {
    for (const r of T.roots(root)) for (const e of r.querySelectorAll(LABELS)) {
      const raw = e.textContent;
      if (raw.length > 400) continue;
      const text = clean(raw), bare = words(text).replace(/\s*[:：]$/, '');
      if (bare === want || words(text.replace(/[:：]\s*$/, '')) === want) {
        from.at = e;
        const value = afterLabel(e, f);
        if (suits(value, f)) return value;
      }
      const colon = text.search(/[:：]/);
      if (colon > 0 && words(text.slice(0, colon)) === want && !e.querySelector('dt,th,li,p')) {
        const value = clean(text.slice(colon + 1));
        from.at = e;
        if (value && f.type === 'url') return linkOf(e) || value;
        if (suits(value, f)) return value;
      }
    }
    return null;
  };
  const byItemprop = (root, name, f) => {
    const e = root.querySelector('[itemprop="' + CSS.escape(name) + '" i]');
    return e ? read(e, f) : null;
  };
  const NAMED = ['data-field', 'data-testid', 'data-test', 'data-qa', 'slot', 'part', 'id', 'class'];
  const NAMED_ALL = NAMED.map((a) => '[' + a + ']').join(',');
  const byToken = (root, want, f, exact) => {
    const joined = want.replace(/ /g, ''), found = [[], [], []];
    for (const r of T.roots(root)) for (const e of r.querySelectorAll(NAMED_ALL)) {
      let best = 0;
      for (const a of NAMED) {
        const v = e.getAttribute(a);
        if (v) for (const token of v.split(/\s+/)) {
          const w = words(token);
          const s = !w ? 0 : w === want || w.replace(/ /g, '') === joined ? 3 : exact ? 0 : w.endsWith(' ' + want) ? 2 : w.startsWith(want + ' ') ? 1 : 0;
          if (s > best) best = s;
        }
      }
      if (best) found[3 - best].push(e);
    }
    for (const e of found.flat().slice(0, 20)) { const value = read(e, f); if (suits(value, f)) return value; }
    return null;
  };
  const ofDocument = (want, f) => {
    for (const w of T.names(want)) {
      const meta = T.metaOf(w);
      if (meta && suits(meta[0], f)) { from.at = meta[1]; return meta[0]; }
    }
    from.at = document.documentElement;
    if (want === 'title') return document.title || null;
    if (want === 'url' || want === 'link') return location.href;
    if (want === 'h1' || want === 'heading') { const h = document.querySelector('h1'); return h ? read(h, f) : null; }
    return null;
  };
  const MONEY = "(?:(?:US|AU?|CA?|R|HK|NZ)?[$€£¥₹₩₽₺]|USD|EUR|GBP|CHF|JPY|INR|AUD|CAD|SEK|NOK|DKK|PLN|kr|zł|Kč|Ft|lei)";
  const SHAPES = {
    duration: /^(?:\d{1,2}:)?\d{1,3}:\d{2}$|^PT\d|^(?:\d+\s?(?:h|hr|hours?|std)\.?,?\s?)?\d+\s?(?:m|min|mins|minutes?|s|sec|seconds?)\.?$/i,
    price: new RegExp("^(?:from|ab|only|now|nur|price:?)?\\s?" + MONEY + "\\s?\\d[\\d.,' ]*$|^(?:from|ab|only|now|nur)?\\s?\\d[\\d.,' ]*(?:,[-–—])?\\s?" + MONEY + "$", 'i'),
    date: /^(?:\d{4}-\d{2}-\d{2}|[A-Z][a-z]{2,8}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}|\d{1,2}\.? [A-Z][a-zä]{2,8}\.?,? \d{4}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d+ (?:second|minute|hour|day|week|month|year)s? ago)/,
  };
  const OLD = /(^|[-_ ])(old|was|strike|struck|original|regular|before|list|rrp|compare)/i;
  const outdated = (e) => Boolean(e.closest('del,s,strike') || OLD.test(e.getAttribute('class') || ''));
  // The smallest parts whose text has the shape; a text put together from several numbers has none.
  const shaped = (root, shape) => T.everything(root).filter((e) => {
    if (e.textContent.length > 80) return false;
    const text = clean(e.textContent);
    return shape.test(text) && [...e.querySelectorAll('*')].filter((c) => !c.children.length && /\d/.test(c.textContent)).length < 2 &&
      ![...e.children].some((c) => shape.test(clean(c.textContent)));
  });
  const byShape = (root, want, f) => {
    const some = shaped(root, SHAPES[f.type]), old = /old|was|original|regular|before|list/.test(want);
    const fit = f.type === 'price' ? some.filter((e) => outdated(e) === old) : some;
    const e = fit[0];
    if (!e) return null;
    from.at = e;
    return plain(e);
  };
  const COUNT = '([\\d.,]+\\s?(?:[KMB]|Mio\\.?|Mrd\\.?|Tsd\\.?|million|billion|thousand)?)';
  const byUnit = (root, want) => {
    const word = want.replace(/ies$/, 'y').replace(/s$/, '').replace(/ count$/, '');
    const pattern = new RegExp('(?:^|[^\\d.,])' + COUNT + '\\s+(?:\\w+\\s)?' + word + '(?:s|ies)?\\b|\\b' + word + 's?\\s*[:(]?\\s*' + COUNT, 'i');
    const m = pattern.exec(clean(root.innerText || root.textContent));
    from.at = root;
    if (m) return m[1] || m[2];
    const bracket = T.names(want).includes('reviews') && /\(([\d.,]+\s?[KMB]?)\)/.exec(clean(root.innerText || root.textContent));
    return bracket ? bracket[1] : null;
  };
  // What a card's parts are by their nature: its heading, link, picture, duration, price, time.
  const byNature = (root, want, f) => {
    from.at = root;
    if (want === 'title' || want === 'name' || want === 'heading') {
      const e = root.querySelector('h1,h2,h3,h4,h5,h6,[role=heading]') || [...root.querySelectorAll('a[href]')].find((a) => clean(a.innerText));
      if (e) return read(e, f);
    }
    if (f.type === 'image' || /^(image|img|thumbnail|picture|photo|avatar|cover)( url)?$/.test(want)) return imageOf(root);
    if (f.type === 'url' || /^(url|link|href)$/.test(want)) return linkOf(root);
    if (f.type === 'rating') return ratingOf(root);
    if (f.type === 'date' || /^(date|time|published|age|updated|posted)$/.test(want)) { const t = root.querySelector('time'); if (t) return read(t, f); }
    if (SHAPES[f.type]) return byShape(root, want, f);
    return /^(count|integer|number)$/.test(f.type) ? byUnit(root, want) : null;
  };
  const byName = (root, name, f, subject) => {
    const want = words(f.label || name), whole = root.nodeType === 9 || root === document.body;
    if (root.nodeType === 1 && root.matches('[itemprop="' + CSS.escape(name) + '" i]')) return read(root, f);
    const ways = [['label', () => byLabel(root, want, f)], ['itemprop', () => byItemprop(root, name, f)], ['token', () => byToken(root, want, f)]];
    const stated = subject && [subject.how, () => { from.at = subject.e; return subject.get(name, f); }];
    if (stated) ways.splice(f.label ? 1 : 0, 0, stated);
    if (whole && !(want === 'title' && root.querySelector('h1'))) ways.push(['meta', () => ofDocument(want, f)]);
    ways.push(['nature', () => byNature(root, want, f)]);
    for (const other of T.names(want).slice(1))
      ways.push(['label', () => byLabel(root, other, f)], ['token', () => byToken(root, other, f, true)]);
    for (const [way, look] of ways) {
      from.how = way;
      const value = look();
      if (value === null || value === undefined || value === '') continue;
      if (way !== 'nature' || !f.pattern) return value;
      return (new RegExp(f.pattern, 'u').exec(value) || [null])[0];
    }
    return null;
  };

  const empty = (v) => v === null || v === undefined || v === '';
  const groups = (root) => {
    const found = new Map(), tag = (e) => e.localName + '.' + (e.classList ? e.classList[0] || '' : '');
    const add = (home, key, e) => {
      let kin = found.get(home);
      if (!kin) found.set(home, (kin = new Map()));
      if (!kin.has(key)) kin.set(key, []);
      kin.get(key).push(e);
    };
    for (const r of T.roots(root)) for (const e of r.querySelectorAll('*')) {
      if (T.skip.test(e.localName) || /^(option|br|path|g|source|td|th|dt|dd)$/.test(e.localName) || !e.parentNode) continue;
      add(e.parentNode, tag(e), e);
      add(e.parentNode, e.localName, e);
      // Cards in several rows or sections are one list.
      const p = e.parentNode, above = p.nodeType === 1 && p.parentNode;
      if (above && above.nodeType === 1) add(above, tag(p) + ' ' + tag(e), e);
    }
    const lists = [...found.values()].flatMap((kin) => [...kin.values()]).filter((list) => list.length > 1 && list.some((e) => T.visible(e)));
    const seen = new Set();
    return lists.filter((list) => {
      const same = list.length + ' ' + T.remember(list[0]) + ' ' + T.remember(list[list.length - 1]);
      return !seen.has(same) && seen.add(same);
    });
  };
  // A record may go on in the elements after its first one, up to the next record's.
  const between = (list, i) => {
    const out = [];
    for (let e = list[i].nextElementSibling; e && e !== list[i + 1] && out.length < 4; e = e.nextElementSibling) out.push(e);
    return out;
  };
  const lengthened = (list, i, fields, base) => {
    const places = origins.get(base);
    for (const e of between(list, i)) {
      const more = record(e, fields);
      for (const name of Object.keys(fields)) if (empty(base[name]) && !empty(more[name])) {
        base[name] = more[name];
        places[name] = origins.get(more)[name];
      }
    }
    return base;
  };
  const scoreOf = (records) => records.reduce((sum, r) => sum + countFilled(r), 0) / records.length;
  // The group of like elements whose members have most of the wanted fields; the larger one of equals.
  const fromRepeated = (root, fields) => {
    let best = null;
    const names = Object.keys(fields).length;
    for (const list of groups(root).sort((a, b) => b.length - a.length).slice(0, 80)) {
      const probe = list.filter((e) => T.visible(e)).slice(0, 3);
      if (!probe.length || (names > 1 && !probe.some((e) => e.firstElementChild))) continue;
      const records = probe.map((e) => record(e, fields));
      let score = scoreOf(records), long = false;
      if (score && score < names && list[0].parentNode === list[1].parentNode && between(list, 0).length && between(list, 0).length < 4) {
        const longer = scoreOf(probe.map((e, i) => lengthened(list, list.indexOf(e), fields, records[i])));
        long = longer > score;
        score = longer;
      }
      if (score * 2 >= names && (!best || score > best.score)) best = { list, score, long };
    }
    if (!best) return null;
    const rows = best.list.map((e, i) => (best.long ? lengthened(best.list, i, fields, record(e, fields)) : record(e, fields)));
    return { rows, elements: best.list, score: best.score };
  };
  // What stands in the page, and what the page states for machines: the richer, then the longer.
  const listOf = (root, fields) => {
    const made = (found, how_) => found && { ...found, rows: found.rows.map((fill) => gather((put) => fill((name, get) => put(name, () => { const v = get(); from.how = how_; return v; })))) };
    const exact = made(T.tabled(root, fields, read, byNature), 'table') || made(T.termed(root, fields, read), 'terms');
    const loose = exact && exact.score >= Object.keys(fields).length ? null : fromRepeated(root, fields);
    const shown = exact && loose ? (loose.score > exact.score ? loose : exact) : exact || loose;
    const stated = root.nodeType === 9 ? T.listed(fields) : null;
    if (!stated) return shown;
    if (shown && (shown.score > stated.score || (shown.score === stated.score && shown.rows.length >= stated.rows.length))) return shown;
    stated.rows = stated.rows.map((row, i) => gather((put) => {
      for (const name of Object.keys(row)) put(name, () => { from.at = stated.elements[i]; from.how = stated.how; return row[name]; });
    }));
    return stated;
  };
  const rate = (fields) => {
    for (const [name, f] of Object.entries(fields)) {
      if (f.fields) rate(f.fields);
      else if (f.type === 'number' && !f.q && T.names(words(f.label || name)).includes('rating value')) f.type = 'rating';
    }
  };

  // --- More of a list: its next part. ---
  // Brings the list's end into view, where lists grow that have no pages.
  T.onward = () => {
    const e = T.lastItem && T.lastItem.isConnected ? T.lastItem : null;
    if (e) e.scrollIntoView({ block: 'start', behavior: 'instant' });
    else scrollBy({ top: innerHeight * 0.9, behavior: 'instant' });
    let n = e;
    for (; n && n.nodeType !== 9; n = T.parentOf(n))
      if (n.scrollHeight > n.clientHeight + 4 && /auto|scroll/.test(getComputedStyle(n).overflowY)) break;
    if (n && n.nodeType === 1) n.scrollTop += n.clientHeight * 0.2;
    else scrollBy({ top: innerHeight * 0.2, behavior: 'instant' });
    return 1;
  };
  const NEXT = /^(next( page)?|older( posts| entries)?|more results|weiter|nächste( seite)?|suivante?|page suivante|siguiente|volgende|avanti|›|»|>|→|❯|next [›»>→]|[›»>→] next)$/i;
  const MORE = /^((load|show|view|see) (more|\d+ more)( \w+){0,2}|more( \w+)?|mehr (anzeigen|laden)|weitere (anzeigen|laden)|afficher plus|ver más)$/i;
  const called = (e) => [clean(e.textContent), clean(e.getAttribute('aria-label')), clean(e.getAttribute('title'))];
  const off = (e) => T.disabled(e) || /(^|[-_ ])(disabled|inactive)($|[-_ ])/.test(e.className + ' ' + ((e.parentElement || {}).className || ''));
  // The control that shows the next part: {ref, what, pages}, or {}.
  T.nextPart = () => {
    const all = T.everything(document).filter((e) => /^(a|button|input|span|li|div)$/.test(e.localName) && (T.interactive(e) || getComputedStyle(e).cursor === 'pointer'));
    const usable = all.filter((e) => T.visible(e) && !off(e));
    const first = (fits) => usable.find(fits);
    const after = (e) => !T.lastItem || T.lastItem.compareDocumentPosition(e) & 4;
    const next = first((e) => e.rel && /\bnext\b/.test(e.rel) && e.href !== location.href) ||
      [...usable].reverse().find((e) => called(e).some((t) => NEXT.test(t)) && (after(e) || e.closest('nav,[class*=pag i],[role=navigation]')) && !e.closest('[class*=carousel i],[class*=slide i]'));
    const more = first((e) => after(e) && called(e).some((t) => MORE.test(t)));
    const e = more || next;
    return e ? { ref: T.remember(e), what: T.describe(e), pages: e === next } : {};
  };
  Object.assign(T, { byName, listOf, ratingOf, rate });
})();
