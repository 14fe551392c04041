// Lists, boxes to tick, files, dates, scrolling and waiting: what text fields and the mouse do not need.
(() => {
  const T = globalThis.__troupe;
  if (T.has.controls) return;
  T.has.controls = 1;
  const { clean, fold, tell } = T;

  // What native date and time fields take, from the ways people write it; else the text as it is.
  const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
  const two = (n) => String(n).padStart(2, '0');
  const isoDate = (text) => {
    let m = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$/.exec(text);
    if (m) return m[1] + '-' + two(m[2]) + '-' + two(m[3]);
    m = /^(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})$/.exec(text);
    if (m) {
      // Month first with slashes, as in en-US; day first with points, or when it can be no month.
      const [day, month] = m[2] === '.' || +m[1] > 12 ? [m[1], m[3]] : [m[3], m[1]];
      return m[4] + '-' + two(month) + '-' + two(day);
    }
    m = /^(?:(\d{1,2})(?:st|nd|rd|th)?\.? )?([a-z]{3})[a-z]*\.?(?: (\d{1,2})(?:st|nd|rd|th)?)?,? (\d{4})$/.exec(text);
    const month = m ? MONTHS.indexOf(m[2]) + 1 : 0, day = m && (m[1] || m[3]);
    return month && day ? m[4] + '-' + two(month) + '-' + two(day) : '';
  };
  const isoTime = (text) => {
    const m = /^(\d{1,2})(?:[:.](\d{2}))?(?::(\d{2}))? ?([ap])?\.?(?:m\.?)?$/.exec(text);
    if (!m || (!m[2] && !m[4])) return '';
    const hour = m[4] ? (m[1] % 12) + (m[4] === 'p' ? 12 : 0) : +m[1];
    return two(hour) + ':' + (m[2] || '00') + (m[3] ? ':' + m[3] : '');
  };
  T.dated = (e, value) => {
    const text = fold(value);
    return (e.type === 'date' && isoDate(text)) || (e.type === 'time' && isoTime(text)) || value;
  };
  T.isoDate = (text) => isoDate(fold(text));

  // Chooses options of a native list by text, value or place; waits until they are there.
  const optionOf = (e, want) => {
    const all = [...e.options], text = (o) => clean(o.label || o.text);
    return all.find((o) => text(o) === clean(want)) || all.find((o) => o.value === want) ||
      all.find((o) => fold(text(o)) === fold(want)) || (/^\d+$/.test(want) ? all[+want] : undefined) ||
      (all.filter((o) => fold(text(o)).includes(fold(want))).length === 1 && all.find((o) => fold(text(o)).includes(fold(want))));
  };
  T.choose = async (q, values, ms) => {
    const end = performance.now() + ms;
    const r = await T.ready(q, { enabled: true, mark: true }, ms);
    if (r.why) return r;
    let e = T.refs[r.ref];
    if (e.localName !== 'select') e = (e.control && e.control.localName === 'select' && e.control) || e.querySelector('select') || e;
    if (e.localName !== 'select') return { ...r, mode: 'custom' };
    r.ref = T.remember(e);
    const found = await T.until(() => {
      const missing = values.find((v) => !optionOf(e, v));
      return missing === undefined ? {} : { why: 'option', missing };
    }, Math.min(end - performance.now(), 3000));
    const names = [...e.options].slice(0, 40).map((o) => clean(o.text));
    if (found.why) return { why: 'option', missing: found.missing, some: names, count: names.length };
    const chosen = values.map((v) => optionOf(e, v));
    const off = chosen.find((o) => o.disabled);
    if (off) return { why: 'disabled', some: ['option "' + clean(off.text) + '"'], count: 1 };
    // One that is hidden behind a list made of other elements would open that by the focus.
    const [x, y, w, h] = T.box(e), at = document.elementFromPoint(x + w / 2, y + h / 2);
    if (!at || T.hits(e, at)) e.focus({ preventScroll: true });
    if (e.multiple) for (const o of e.options) o.selected = chosen.includes(o);
    else chosen[chosen.length - 1].selected = true;
    tell(e, 'input', 'change');
    await T.pause(0);
    r.selected = [...e.selectedOptions].map((o) => clean(o.text));
    r.same = chosen.every((o) => o.selected) || !e.isConnected;
    return { ...r, ...T.changes() };
  };

  // Whether a box is ticked, its label's box included.
  T.ticked = (ref) => {
    let e = T.refs[ref];
    if (e.localName === 'label' && e.control) e = e.control;
    return { ticked: !!(e.checked || e.getAttribute('aria-checked') === 'true'), radio: e.type === 'radio' || e.getAttribute('role') === 'radio' };
  };
  T.tickable = async (q, ms) => {
    const r = await T.ready(q, {}, ms);
    return r.why ? r : { ...r, ...T.ticked(r.ref) };
  };
  // File fields are often hidden behind a button or label.
  T.fileField = async (q, ms) => {
    const r = await T.until(() => {
      const picked = T.pick(q, true);
      return picked.why ? picked : { e: picked.e };
    }, ms);
    if (r.why) return { why: r.why, count: r.count || 0, some: r.some || [], frames: r.frames };
    const isFile = (e) => e && e.localName === 'input' && e.type === 'file';
    const e = isFile(r.e) ? r.e : isFile(r.e.control) ? r.e.control : T.everything(r.e).find(isFile);
    if (!e) return { why: 'unfillable', some: [T.describe(r.e)], count: 1 };
    if (T.disabled(e)) return { why: 'disabled', some: [T.describe(e)], count: 1 };
    return { ref: T.remember(e), what: T.describe(e) };
  };
  T.fileCount = (ref) => T.refs[ref].files.length;

  const scrollerOf = (e) => {
    for (let n = e; n && n.nodeType === 1; n = T.parentOf(n)) {
      const style = n.ownerDocument.defaultView.getComputedStyle(n);
      if (n.scrollHeight > n.clientHeight + 1 && /auto|scroll|overlay/.test(style.overflowY)) return n;
    }
    return document.scrollingElement || document.documentElement;
  };
  // Without a region: the page, or when it cannot scroll, its largest region that can.
  const mainScroller = () => {
    const page = document.scrollingElement || document.documentElement;
    if (page.scrollHeight > innerHeight + 1) return page;
    let best = page, size = 0;
    for (const e of T.everything(document)) {
      if (e.scrollHeight <= e.clientHeight + 1 || e.clientHeight < 50) continue;
      const area = e.clientHeight * e.clientWidth;
      if (area > size && /auto|scroll|overlay/.test(getComputedStyle(e).overflowY)) { best = e; size = area; }
    }
    return best;
  };
  T.scroll = async (q, how, ms) => {
    let e = null, r = {};
    if (q) {
      r = await T.ready(q, {}, ms);
      if (r.why) return r;
      e = T.refs[r.ref];
    }
    const s = e && (how.to || how.by) ? scrollerOf(e) : e ? null : mainScroller();
    const before = [scrollX, scrollY, s ? s.scrollTop : 0, e ? T.box(e)[1] : 0];
    if (!s) e.scrollIntoView({ block: 'center', behavior: 'instant' });
    else {
      const view = s === document.scrollingElement ? innerHeight : s.clientHeight, most = s.scrollHeight - view;
      const to = how.by ? s.scrollTop + how.by : how.to === 'bottom' ? s.scrollHeight : how.to === 'top' ? 0 :
        how.to === 'previous' ? s.scrollTop - view * 0.9 : how.to === 'next' ? s.scrollTop + view * 0.9 : most * parseFloat(how.to) / 100;
      s.scrollTo({ top: to, behavior: 'instant' });
    }
    await T.frame();
    const after = [scrollX, scrollY, s ? s.scrollTop : 0, e ? T.box(e)[1] : 0];
    const box = s || document.scrollingElement || document.documentElement;
    const view = box === document.scrollingElement ? innerHeight : box.clientHeight;
    return { ...r, moved: after.some((v, i) => Math.abs(v - before[i]) >= 1), at_end: box.scrollTop + view >= box.scrollHeight - 2, y: Math.round(box.scrollTop) };
  };

  T.waitFor = async (q, state, min, ms) => {
    const answer = await T.until(() => {
      const all = T.all(q), shown = all.filter((e) => T.visible(e));
      const usable = shown.filter((e) => !T.disabled(e));
      const ok = state === 'attached' ? all.length >= min : state === 'visible' ? shown.length >= min :
        state === 'enabled' ? usable.length >= min : state === 'hidden' ? !shown.length : !all.length;
      return { why: ok ? '' : 'state', all: all.length, shown: shown.length, usable: usable.length, some: all.slice(0, 8).map(T.candidate) };
    }, ms);
    return answer;
  };
  T.waitUrl = (part, ms) => T.until(() => (location.href.includes(part) ? {} : { why: 'url', url: location.href }), ms);
})();
