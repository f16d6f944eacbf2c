// The Atlassian organisation beside the chat: domains, accounts as they are, what changed, and what can be broken.
import {html, Avatar, Icon, useEffect, useMemo, useRef, useState, plural, clock} from './ui.js';
import {faults as readFaults, kill, setFaults} from './api.js';

const filters = [
  ['all', 'All', () => true],
  ['active', 'Active', (account) => account.status === 'active'],
  ['inactive', 'Inactive', (account) => account.status !== 'active'],
  ['locked', 'Locked', (account) => account.locks.length > 0 || !account.managed],
  ['changed', 'Changed', (account, changes) => changes.has(account.id)],
];

// A switch is its name, its label, what it does, and what to expect of a bot that is worth its salt.
const switches = [
  ['latency', 'Slow answers', 'Every Atlassian call takes 1–2 s.', 'Expect: slower, no failure; the progress still moves.'],
  ['throttle', 'Throttling', 'Every eighth call: 429 with Retry-After.', 'Expect: it waits as told; no row fails.'],
  ['errors', 'Errors 503', 'Every sixth Atlassian call fails.', 'Expect: reads are repeated; changes are read back first.'],
  ['cut', 'Cut connections', 'Every fifth change takes effect, its answer is lost.', 'Expect: “being confirmed”, then done. Nothing twice.'],
  ['slack_outage', 'Slack outage', 'Web API and sockets are down.', 'Expect: the run goes on; the card catches up.'],
  ['old_blocks', 'No new blocks', 'Slack refuses tables, charts and layouts.', 'Expect: plainer cards, remembered for a day.'],
];

const downTime = 15; // s after which a killed app that is not back has a problem

function Kill({app, running, onError}) {
  const [killed, setKilled] = useState(false);
  useEffect(() => { if (running && killed) setKilled(false); }, [running]);
  const press = () => { setKilled(true); setTimeout(() => setKilled(false), downTime * 1000); kill().catch(onError); };
  return html`<div class="switch"><span><b>Kill ${app}</b><small>Its process is ended at once (SIGKILL), and started again after
    2 s.</small><small class="expect">Expect: a run goes on where it was; calls under way are read back.</small></span>
    <button type="button" class="button danger kill" data-testid="kill" disabled=${killed || !running} onClick=${press}><${Icon}
      name="skull" size=${14} /> ${killed || !running ? 'down…' : 'Kill'}</button></div>`;
}

export function Faults({onError, canKill, running, app}) {
  const [on, setOn] = useState({});
  useEffect(() => { readFaults().then(setOn, onError); }, []);
  const flip = (name) => setFaults({...on, [name]: !on[name]}).then(setOn, onError);
  const active = switches.filter(([name]) => on[name]).length;
  return html`<details class="faults" data-testid="faults"><summary><${Icon} name="bolt" size=${15} /> Faults
    ${active > 0 ? html`<span class="lozenge red">
      ${active} on</span>` : html`<small>break something, watch it cope</small>`}<${Icon} name="chevron"
      size=${14} /></summary><div class="faults-body">
    ${canKill && html`<${Kill} app=${app} running=${running} onError=${onError} />`}
    ${switches.map(([name, label, note, expect]) => html`<label class="switch"><span><b>${label}</b><small>${note}</small>
      ${on[name] && html`<small class="expect">${expect}</small>`}</span>
      <input type="checkbox" role="switch" checked=${Boolean(on[name])} data-testid=${`fault-${name}`}
        onChange=${() => flip(name)} /><i aria-hidden="true"></i></label>`)}</div></details>`;
}

// lifecycle are the effects whose from is an account status.
const lifecycle = ['disable', 'enable'];

// merge tells for each account what it was before the first recorded effect, and when the last one happened.
function merge(effects) {
  const changes = new Map();
  for (const effect of effects) {
    const change = changes.get(effect.account) ?? {count: 0};
    if (effect.kind === 'email') change.email = change.email ?? effect.from;
    else if (lifecycle.includes(effect.kind)) change.status = change.status ?? effect.from;
    change.at = effect.at;
    change.count++;
    changes.set(effect.account, change);
  }
  return changes;
}

function was(old, now) {
  return old !== undefined && old !== now;
}

// Details are what an account's line has no room for.
function Details({account}) {
  const rows = [
    ['Id', account.id],
    ['Directories', account.directories.map((each) => `${each.name}: ${each.status}`).join(', ') || 'in none'],
    ['Groups', account.groups.join(', ') || 'in none'],
    account.tokens.length > 0 && ['API tokens', account.tokens.join(', ')],
    account.locks.length > 0 && ['Locked', account.locks.map((lock) => `${lock.privilege}: ${lock.reason}`).join('; ')],
    account.deletion && ['Deleted', `on ${account.deletion}`],
  ].filter(Boolean);
  return html`<dl class="account-details">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

function Account({account, change}) {
  const [open, setOpen] = useState(false);
  const places = account.directories.map((each) => `${each.name}: ${each.status}`).join(', ');
  const suspended = account.directories.filter((each) => each.status === 'suspended');
  const version = [account.email, account.status, account.name, account.groups, places, account.tokens, account.deletion]
    .join('|');
  const seen = useRef(version);
  const [flash, setFlash] = useState(false);
  useEffect(() => {
    if (seen.current === version) return undefined;
    seen.current = version;
    setFlash(true);
    const done = setTimeout(() => setFlash(false), 2500);
    return () => clearTimeout(done);
  }, [version]);
  const reasons = account.locks.map((lock) => `${lock.privilege}: ${lock.reason}`).join('\n');
  const groups = account.groups.join(', ');
  return html`<li class=${`account ${flash ? 'flash' : ''} ${change ? 'changed' : ''} ${open ? 'open' : ''}`} data-testid="account"
    data-id=${account.id}><button type="button" class="account-head" aria-expanded=${open} onClick=${() => setOpen(!open)}>
    <${Avatar} person=${{...account, deleted: account.status !== 'active'}} size=${28} />
    <span class="account-words"><span class="account-name"><b>${account.name}</b>
      ${account.admin && html`<span class="lozenge purple">Org admin</span>`}${account.type === 'app' && html`<span
        class="lozenge grey">App</span>`}
      ${!account.managed && html`<span class="lozenge grey">Unmanaged</span>`}${account.hidden && html`<span
        class="lozenge grey">Hidden</span>`}
      <span class="account-state">${account.locks.length > 0 && html`<span class="locked" title=${reasons}><${Icon}
        name="lock" size=${14} label=${`Locked. ${reasons}`} /></span>`}
        ${change && was(change.status, account.status) && html`<s>${change.status}</s>`}
        ${account.tokens.length > 0 && html`<span class="lozenge grey" data-testid="tokens"
          title=${`API tokens: ${account.tokens.join(', ')}`}>${plural(account.tokens.length, 'token')}</span>`}
        ${suspended.length > 0 && html`<span class="lozenge amber" data-testid="suspended"
          title=${places}>suspended${suspended.length < account.directories.length
            && ` in ${suspended.map((each) => each.name).join(', ')}`}</span>`}
        ${account.directories.length === 0 && account.managed && html`<span class="lozenge grey">no directory</span>`}
        ${account.deletion && html`<span class="lozenge red" data-testid="deletion">deleted on ${account.deletion}</span>`}
        <span title=${places} class=${`lozenge ${account.status === 'active' ? 'green' : 'amber'}`}>${account.status}</span></span></span>
      ${change && was(change.email, account.email) && html`<span class="old-email">${change.email}</span>`}
      <span class="account-line" title=${groups && `Groups: ${groups}`}><span class="account-email">
        ${change && was(change.email, account.email) && html`<em>→</em>`}${account.email}</span>
        <span class="account-groups">${groups}</span></span></span></button>
    ${open && html`<${Details} account=${account} />`}</li>`;
}

function Group({group}) {
  return html`<li class="account group" data-testid="group"><span class="account-words"><span class="account-name">
    <b>${group.name}</b><span class="account-state">${group.marks.map((mark) => html`<span
      class="lozenge grey">${mark}</span>`)}<span class="lozenge blue">${group.members}</span></span></span>
    <span class="account-email">${[group.directory, group.description].filter(Boolean).join(' · ')}</span></span></li>`;
}

const shownAtFirst = 150; // lines of a long list; the others come on demand

export function Organisation({organisation, onError, canKill, running, app}) {
  const [most, setMost] = useState(shownAtFirst);
  const [search, setSearch] = useState('');
  const [filter, setFilter] = useState('all');
  const changes = useMemo(() => merge(organisation.effects), [organisation]);
  const words = search.trim().toLowerCase();
  const test = filters.find(([name]) => name === filter)?.[2] ?? (() => true);
  const found = (account, change) => [account.name, account.email, account.id, change?.email ?? '', ...account.groups]
    .some((value) => value.toLowerCase().includes(words));
  const at = (account) => changes.get(account.id)?.at ?? '';
  const shown = useMemo(() => organisation.accounts
    .filter((account) => test(account, changes) && found(account, changes.get(account.id)))
    .sort((a, b) => at(b).localeCompare(at(a)) || a.name.localeCompare(b.name)), [organisation, filter, words]);
  const inGroups = filter === 'groups';
  const groups = organisation.groups.filter((group) => group.name.toLowerCase().includes(words));
  const latest = organisation.effects.at(-1);
  return html`<aside class="organisation" aria-label=${`Atlassian: ${organisation.name}`}>
    <header><span class="organisation-mark" aria-hidden="true">${organisation.name[0]}</span>
      <span><small>Atlassian · ${organisation.accounts.length.toLocaleString('en')}</small>
        <h2>${organisation.name}</h2></span>
      <span class="segments" role="group" aria-label="Show"><button type="button" aria-pressed=${!inGroups}
        data-testid="filter-accounts" onClick=${() => setFilter('all')}>Accounts</button><button type="button"
        aria-pressed=${inGroups} data-testid="filter-groups" onClick=${() => setFilter('groups')}>Groups
        <b>${organisation.groups.length}</b></button></span></header>
    <ul class="domains" aria-label="Domains">${organisation.domains.map((domain) => html`<li
      class=${domain.verified ? 'verified' : ''} title=${domain.verified ? 'verified' : 'not verified'}>
      <${Icon} name=${domain.verified ? 'check' : 'warn'} size=${12}
        label=${domain.verified ? 'Verified' : 'Not verified'} />${domain.name}<b>${domain.accounts}</b></li>`)}</ul>
    <label class="search"><${Icon} name="search" size=${14} /><input type="search" placeholder=${inGroups ? 'Search groups' : 'Search accounts'}
      aria-label=${inGroups ? 'Search groups' : 'Search accounts'} data-testid="account-search" value=${search}
      onInput=${(event) => setSearch(event.target.value)} /></label>
    <div class="filters" role="group" aria-label="Filter accounts" hidden=${inGroups}>${filters.map(([name, label, fits]) => html`<button
      type="button" class=${filter === name ? 'on' : ''} aria-pressed=${filter === name}
      data-testid=${`filter-${name}`} onClick=${() => { setFilter(name); setMost(shownAtFirst); }}>${label}
        ${name !== 'all' && html`<b>${organisation.accounts.filter((account) => fits(account, changes)).length}</b>`}
        </button>`)}</div>
    ${inGroups ? html`<ul class="accounts" data-testid="groups" aria-label="Groups" tabindex="0">
      ${groups.map((group) => html`<${Group} key=${group.id} group=${group} />`)}
      ${groups.length === 0 && html`<li class="none">No group fits.</li>`}</ul>`
    : html`<ul class="accounts" data-testid="accounts" aria-label="Accounts" tabindex="0">
      ${shown.slice(0, most).map((account) => html`<${Account} key=${account.id} account=${account}
      change=${changes.get(account.id)} />`)}
      ${shown.length > most && html`<li class="none"><button type="button" class="button" data-testid="more-accounts"
        onClick=${() => setMost(most + 500)}>Show more of ${shown.length}</button></li>`}
      ${shown.length === 0 && html`<li class="none">No account fits.</li>`}</ul>`}
    <div class="panel-foot" data-testid="effects">
      ${latest ? `${plural(organisation.effects.length, 'change')} made, the last at ${clock(new Date(latest.at))}`
        : 'Nothing changed yet'}</div>
    <${Faults} onError=${onError} canKill=${canKill} running=${running} app=${app} /></aside>`;
}
