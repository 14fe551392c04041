// One compact list of what can be acted on and what stands around it, for the instruction resolver.
(() => {
  const T = globalThis.__troupe;
  if (T.has.snapshot) return;
  T.has.snapshot = 1;
  const { clean, clip } = T;
  const ELEMENTS_MAX = 5000, CONTEXT_MAX = 240;

  const TOKEN_SOURCES = ['id', 'class', 'name', 'data-testid', 'data-test-id', 'data-test', 'data-qa', 'data-icon', 'data-action', 'title', 'src', 'href'];
  const tokensOf = (e) => {
    let out = '';
    for (const from of [e, e.firstElementChild]) {
      const has = from ? from.getAttributeNames() : [];
      if (has.length) for (const a of TOKEN_SOURCES) {
        if (!has.includes(a)) continue;
        let v = from.getAttribute(a) || '';
        if (a === 'src' || a === 'href') v = v.startsWith('data:') || v.length > 200 ? '' : v.split(/[?#]/)[0].split('/').pop();
        out += ' ' + v;
      }
      if (has.length && from.localName === 'use') out += ' ' + (from.getAttribute('href') || '');
    }
    if (!out) return '';
    const words = out.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase().split(/[^a-z0-9\u00c0-\uffff]+/);
    return [...new Set(words.filter((w) => w.length > 1 || w === 'x'))].slice(0, 20).join(' ');
  };
  const REGION = /^(tr|li|article|fieldset|section|form|dialog|details|nav|aside|header|footer|table)$/;
  const REGION_ROLE = /^(row|listitem|article|group|region|dialog|alertdialog|form|tabpanel|menu|listbox|radiogroup|toolbar|navigation|search)$/;
  const twins = (e) => {
    const p = e.parentElement;
    if (!p || e.localName === 'span' || e.localName === 'a' || e.localName === 'button') return false;
    let n = 0;
    // By the first class: the others tell a state, as of the row whose menu is open.
    const kind = e.classList[0];
    for (const s of p.children) if (s.localName === e.localName && s.classList[0] === kind && ++n > 1) return true;
    return false;
  };
  const regionText = (e) => {
    const heading = e.getAttribute('aria-label') || '';
    const legend = e.localName === 'fieldset' && e.querySelector('legend');
    const all = e.textContent.length > 20000 ? '' : clean(e.innerText === undefined ? e.textContent : e.innerText);
    return clip(clean((heading ? heading + ' ' : '') + (legend ? legend.textContent + ' ' : '') + all), CONTEXT_MAX);
  };
  const isRegion = (e) => {
    const role = e.getAttribute('role');
    return REGION.test(e.localName) || (role && REGION_ROLE.test(role)) || twins(e);
  };
  // The texts of the regions around an element, nearest first: its row or card, its group, its dialog.
  const contextOf = (cache, e, name = '') => {
    const out = [];
    let alone = true;
    for (let n = T.parentOf(e), up = 0; n && out.length < 3 && up < 14; n = T.parentOf(n), up++) {
      if (n.nodeType !== 1 || n.localName === 'body') continue;
      // A cell around the element alone says nothing more, and its text as it is shown costs a layout walk.
      alone = alone && n.childNodes.length === 1 && Boolean(name);
      if (alone) continue;
      let text = cache.get(n);
      if (text === undefined) cache.set(n, (text = isRegion(n) ? regionText(n) : ''));
      if (text && text !== name && text !== out[out.length - 1]) out.push(text);
    }
    return out;
  };
  T.contextOf = (e, name) => contextOf(new Map(), e, name);
  const headings = (roots) => {
    const list = [];
    for (const r of roots) for (const h of r.querySelectorAll('h1,h2,h3,h4,h5,h6,legend,[role=heading]')) {
      const text = clean(h.textContent);
      if (text) list.push([h, clip(text, 80)]);
    }
    return list;
  };
  const headingOf = (list, e) => {
    let found = '';
    for (const [h, text] of list) {
      if (!(h.compareDocumentPosition(e) & 4)) break;
      found = text;
    }
    return found;
  };
  const WORD = /\S/;
  const ownText = (e) => {
    for (let n = e.firstChild; n; n = n.nextSibling) if (n.nodeType === 3 && WORD.test(n.data)) return true;
    return false;
  };
  const pointer = (hands, e) => {
    let is = hands.get(e);
    if (is === undefined) hands.set(e, (is = getComputedStyle(e).cursor === 'pointer'));
    return is;
  };
  // Entries of a list stand for themselves, where the list as a whole has the hand cursor.
  const entry = (e) => e.localName === 'li' && ownText(e);
  const clickable = (hands, e) => {
    if (!pointer(hands, e)) return false;
    const p = e.parentElement;
    return entry(e) || !(p && p.localName !== 'body' && pointer(hands, p));
  };
  const DIALOGS = 'dialog,[role=dialog],[role=alertdialog],[aria-modal=true]';
  // Texts that many rows have are told once: a row has their number.
  const numbering = () => {
    const texts = [], numbers = new Map();
    const of = (text) => {
      let number = numbers.get(text);
      if (number === undefined) numbers.set(text, (number = texts.push(text) - 1));
      return number;
    };
    return { texts, of };
  };
  // `page`: what is the same for all rows: caches, headings, and whether there are dialogs at all.
  const row = (e, kind, page, rect) => {
    const { cache, titles, said } = page, b = T.box(e, rect), role = T.role(e), bare = !e.hasAttributes();
    const out = { r: T.remember(e), t: said.of(e.localName), k: said.of(kind === 'text' && role === 'generic' ? 'text' : role) };
    const put = (key, value) => { if (value) out[key] = value; };
    put('n', clip(T.name(e) || (kind === 'text' ? T.content(e) : ''), 200));
    if (kind === 'pointer') put('n', clip(out.n || T.content(e), 200));
    if (T.isField(e)) {
      put('l', clip(T.label(e), 120));
      put('p', e.getAttribute('placeholder'));
      put('v', clip(T.valueOf(e), 120));
      if (e.localName === 'select') out.o = [...e.options].slice(0, 200).map((o) => clip(clean(o.text), 60));
      put('ty', e.type);
    }
    put('f', kind === 'pointer' ? 'p' : '');
    if (page.disabled ? T.disabled(e) : e.matches(':disabled')) out.d = 1;
    if (e.readOnly) out.ro = 1;
    if (e.checked || (!bare && (e.getAttribute('aria-checked') === 'true' || e.getAttribute('aria-selected') === 'true'))) out.c = 1;
    const expanded = !bare && e.getAttribute('aria-expanded');
    if (expanded) out.x = expanded === 'true' ? 1 : 0;
    if (page.dialogs && e.closest(DIALOGS)) out.m = 1;
    out.b = b.map(Math.round);
    if (b[1] + b[3] > 0 && b[1] < page.height && b[0] + b[2] > 0 && b[0] < page.width) out.i = 1;
    if (role === 'link') put('h', clip(e.href || '', 300));
    if (!bare) put('id', T.ownId(e));
    if (!bare) put('ti', T.testId(e));
    if (kind !== 'text') {
      put('g', tokensOf(e));
      const context = contextOf(cache, e, out.n);
      if (context.length) out.s = context.map(said.of);
      const heading = headingOf(titles, e);
      if (heading) out.hd = said.of(heading);
    }
    return out;
  };
  // The page's main list, for "the second result": the repeated parts with a link each that take most
  // of the page, outside navigation. When another list is about as large, none is the main one.
  const ASIDE = 'nav,header,footer,aside,form,[role=navigation],[role=menu],[role=toolbar],[role=dialog]';
  const mainLink = (e) => {
    const links = [...T.everything(e), ...(e.localName === 'a' ? [e] : [])].filter((a) => a.localName === 'a' && a.href && T.visible(a));
    const titled = links.find((a) => a.querySelector('h1,h2,h3,h4,h5,h6') || a.closest('h1,h2,h3,h4,h5,h6'));
    const text = (a) => clean(T.textOf(a)).length;
    return titled || links.reduce((best, a) => (!best || text(a) > text(best) ? a : best), null);
  };
  const mainList = () => {
    const groups = [];
    for (const r of T.roots(document)) for (const p of [r, ...r.querySelectorAll('*')]) {
      if (p.children.length < 3 || (p.closest && p.closest(ASIDE))) continue;
      const kinds = new Map();
      for (const c of p.children) {
        const key = c.localName + '.' + c.className;
        if (!T.skip.test(c.localName)) kinds.set(key, [...(kinds.get(key) || []), c]);
      }
      for (const some of kinds.values()) {
        if (some.length < 3) continue;
        const items = some.filter((c) => T.visible(c)), links = items.map(mainLink);
        if (items.length < 3 || links.some((a) => !a)) continue;
        groups.push({ links, area: items.reduce((sum, c) => sum + T.box(c)[2] * T.box(c)[3], 0) });
      }
    }
    groups.sort((a, b) => b.area - a.area);
    const [best, next] = groups;
    return !best || (next && next.area > best.area * 0.4) ? [] : best.links;
  };
  // Small parts that show a picture by style alone: icons without a name.
  const iconic = (e) => {
    if (e.firstElementChild || e.textContent.trim() || !(e.id || e.className)) return false;
    const b = e.getBoundingClientRect();
    if (b.width < 6 || b.height < 6 || b.width > 64 || b.height > 64) return false;
    const style = e.ownerDocument.defaultView.getComputedStyle(e);
    return style.backgroundImage !== 'none' || /url/.test(style.content) || style.maskImage !== 'none';
  };
  // Whether an element is painted in a colour, given as [r, g, b].
  const rgb = (text) => { const m = /^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?/.exec(text); return m && m[4] !== '0' ? [+m[1], +m[2], +m[3]] : null; };
  const colourNamed = (name) => {
    const probe = document.createElement('i');
    probe.style.color = '';
    probe.style.color = name;
    if (!probe.style.color) return null;
    document.documentElement.append(probe);
    const found = rgb(getComputedStyle(probe).color);
    probe.remove();
    return found;
  };
  const painted = (e, want) => {
    const style = e.ownerDocument.defaultView.getComputedStyle(e);
    const near = (c) => c && c.every((v, i) => Math.abs(v - want[i]) < 12);
    return near(rgb(style.backgroundColor)) || (e.ownerSVGElement && near(rgb(style.fill)));
  };
  // With `listed` also what the main list is; with `colour`, a name, also what is painted so. Lists elements of the page (or of one region), best known kinds first where there are too many.
  // `deep`, or asked again without an action between: something is missing, closed shadow roots are looked for everywhere.
  T.snapshot = (region, listed, colour, deep) => T.atOnce(() => look(region, listed, colour, deep));
  const look = (region, listed, colour, deep) => {
    const again = deep || T.snapped;
    T.snapped = true;
    const want = colour ? colourNamed(colour) : null;
    const roots = T.roots(document), some = (css) => roots.some((r) => r.querySelector(css));
    const said = numbering(), page = { said, cache: new Map(), hands: new Map(), width: innerWidth, height: innerHeight, titles: headings(roots), disabled: some('[aria-disabled]'), dialogs: some(DIALOGS) };
    const rows = [], texts = [], grounds = [], items = listed ? mainList() : [];
    let hidden = 0;
    const from = region ? T.all(region).map(T.everything) : roots.map((r) => [...r.querySelectorAll('*')].filter((e) => !T.skip.test(e.localName)));
    for (const all of from) for (const e of all) {
      const widget = T.interactive(e);
      const kind = widget ? 'widget' : clickable(page.hands, e) || iconic(e) ? 'pointer' : ownText(e) || e.localName === 'img' || e.localName === 'svg' ? 'text' : '';
      if (!kind && !want) continue;
      const rect = e.getBoundingClientRect();
      const shown = T.visible(e, rect) || (widget && T.labelsOf(e).some((l) => T.visible(l)));
      if (!shown) { if (widget) hidden++; continue; }
      if (want && painted(e, want)) {
        // What is meant lies on the ground, which may have the same colour.
        while (grounds.length && grounds[grounds.length - 1][0].contains(e)) delete grounds.pop()[1].co;
        rows.push({ ...row(e, 'pointer', page, rect), co: 1 });
        grounds.push([e, rows[rows.length - 1]]);
      }
      else if (kind === 'text') texts.push([e, rect]);
      else if (kind) rows.push(row(e, kind, page, rect));
      if (rows.length >= ELEMENTS_MAX) break;
    }
    for (const [e, rect] of texts) {
      if (rows.length >= ELEMENTS_MAX) break;
      rows.push(row(e, 'text', page, rect));
    }
    items.forEach((e, i) => {
      const known = rows.find((o) => o.r === T.remember(e));
      if (known) known.it = i + 1;
    });
    return { rows, texts: said.texts, hidden, frames: region ? 0 : T.foreign(), closed: T.suspects(Boolean(again), roots), shape: T.shape(), url: location.href, title: document.title, focus: T.remember(T.active() || document.body) };
  };

  // A selector for what no name tells from others: its id, its form name, or a path from the nearest
  // element with an id that is unique.
  const unique = (q, e) => { const all = T.all(q); return all.length === 1 && all[0] === e; };
  const quote = (s) => '"' + s.replace(/\\/g, '\\\\').replace(/"/g, '\\"') + '"';
  T.selectorOf = (e) => {
    if (T.stableId(e.id) && unique({ css: '#' + CSS.escape(e.id) }, e)) return '#' + CSS.escape(e.id);
    const n = e.getAttribute('name');
    if (n && unique({ css: e.localName + '[name=' + quote(n) + ']' }, e)) return e.localName + '[name=' + quote(n) + ']';
    return T.pathOf(e);
  };
  T.selectorsOf = (refs) => refs.map((r) => T.selectorOf(T.refs[r]));
})();
