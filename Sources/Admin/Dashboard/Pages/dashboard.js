// The dashboard of a node. It knows no part of it: it shows the figures and tables of each view, and offers the actions.
const words = {
    zh: {
        overview: "总览", gateway: "网关", app: "应用", tunnel: "隧道", mesh: "网状网络", cluster: "集群", events: "事件",
        "log in": "登录", "log out": "退出", secret: "口令", filter: "筛选", "log in first": "请先登录",
        "the node printed a link when it started; open it, or write the secret here": "节点启动时打印了登录链接：打开它，或在此输入口令",
        live: "实时", "no answer": "没有回应", nothing: "无", "more rows": "更多行未显示", version: "版本", loops: "事件循环",
        "stuck loops": "卡住的循环", clients: "客户端", servers: "服务端", "virtual connections": "虚拟连接", meters: "指标",
        name: "名称", labels: "标签", value: "值", "per second": "每秒", "what it is": "说明", side: "侧", id: "编号",
        address: "地址", queued: "排队字节", quiet: "静默", sessions: "会话", users: "用户", user: "用户", groups: "分组",
        group: "分组", members: "成员", rules: "规则", owner: "主人", listens: "监听", target: "目标", visitors: "访客", peers: "节点",
        node: "节点", routes: "路由", route: "路由", data: "数据", kick: "踢出", push: "推送", remove: "删除", add: "添加",
        online: "在线", tunnelId: "隧道号", authCode: "验证码", answer: "结果",
    },
}
let language = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en")
const say = (text) => words[language]?.[text] ?? text

const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name)
    for (const [key, value] of Object.entries(attributes)) {
        if (key.startsWith("on")) made.addEventListener(key.slice(2), value)
        else if (value !== false) made.setAttribute(key, value)
    }
    made.append(...children)
    return made
}
const [main, tabs, state, languageButton, logoutButton] =
    ["main", "tabs", "state", "language", "logout"].map((id) => document.getElementById(id))

async function ask(path, body) {
    const answer = await fetch(path, {
        method: body ? "POST" : "GET", headers: { "X-Omniway": "1" }, body: body && JSON.stringify(body),
    })
    const json = await answer.json()
    if (!answer.ok) throw Object.assign(new Error(json.error ?? answer.statusText), { status: answer.status })
    return json
}

// MARK: What is shown

let console_ = null
let view = location.hash.slice(1) || "overview"
let filter = ""
let shownView = null
let earlier = { at: 0, values: new Map() }

function showTabs() {
    document.documentElement.lang = language
    languageButton.textContent = language == "zh" ? "English" : "中文"
    logoutButton.textContent = say("log out")
    logoutButton.hidden = !console_
    tabs.replaceChildren(
        ...(console_ ? [...console_.views, "events"] : []).map((name) =>
            element("button", { "aria-current": name == view ? "page" : false, onclick: () => open(name) }, say(name))))
}

function open(name) {
    view = name
    shownView = null
    location.hash = name
    main.replaceChildren()
    showTabs()
    refresh()
}

const figures = (list) => element(
    "div", { class: "figures" },
    ...list.map(([name, value]) => element("div", {}, element("span", {}, say(name)), element("b", {}, value))))

function table({ name, columns, rows, count, actions }) {
    const offered = actions.filter((action) => console_.role == "operate" && console_.actions.some((a) => a.name == action))
    const rates = name == "meters"
    const now = performance.now()
    const head = [...columns.slice(0, 3), ...(rates ? ["per second"] : []), ...columns.slice(3)]
    const shown = rows.filter((row) => !filter || row.cells.some((cell) => cell.includes(filter)))
    const values = new Map()
    const lines = shown.map((row) => {
        let cells = row.cells
        if (rates) {
            const value = Number(cells[2])
            values.set(row.key, value)
            const before = earlier.values.get(row.key)
            const rate = cells[0].endsWith("_total") && before !== undefined
                ? ((value - before) / (now - earlier.at) * 1000).toFixed(1) : ""
            cells = [...cells.slice(0, 3), rate, ...cells.slice(3)]
        }
        const buttons = offered.map((action) => element(
            "button", { "data-action": action, "data-key": row.key, onclick: () => act(action, row.key) },
            say(action.split(".").pop())))
        return element(
            "tr", {}, ...cells.map((cell) => element("td", {}, cell)),
            ...(buttons.length ? [element("td", {}, ...buttons)] : []))
    })
    if (rates) earlier = { at: now, values }
    return [
        element("h2", {}, `${say(name)} (${count})`),
        element(
            "div", { class: "table" },
            element(
                "table", { "data-table": name },
                element("thead", {}, element("tr", {}, ...head.map((column) => element("th", {}, say(column))))),
                element("tbody", {}, ...lines))),
        ...(count > rows.length ? [element("p", {}, `${count - rows.length} ${say("more rows")}`)] : []),
    ]
}

// Actions of this view that no row has: each is a form with its fields.
function forms(tables) {
    const ofRows = new Set(tables.flatMap(({ actions }) => actions))
    const own = console_.actions.filter((action) => action.name.startsWith(view + ".") && !ofRows.has(action.name))
    if (console_.role != "operate") return []
    return own.map((action) => element(
        "form", {
            "data-action": action.name,
            onsubmit: (event) => {
                event.preventDefault()
                send(action.name, Object.fromEntries(new FormData(event.target)))
            },
        },
        ...action.fields.map((field) => element("input", { name: field, placeholder: say(field), "aria-label": say(field) })),
        element("button", {}, say(action.name.split(".").pop()))))
}

const filterField = () => element(
    "form", { onsubmit: (event) => event.preventDefault() },
    element("input", {
        id: "filter", placeholder: say("filter"), "aria-label": say("filter"), value: filter,
        oninput: (event) => { filter = event.target.value; refresh() },
    }))

async function refresh() {
    if (!console_) return
    const wanted = view
    try {
        const answer = await ask(wanted == "events" ? "/api/events" : `/api/views/${wanted}`)
        if (wanted != view) return
        // Forms stay, so that nobody loses what is half written.
        if (shownView != wanted) {
            shownView = wanted
            main.replaceChildren(
                element("p", { id: "said", role: "status" }), ...(answer.tables ? forms(answer.tables) : []), filterField(),
                element("div", { id: "view" }))
        }
        const place = document.getElementById("view")
        if (wanted == "events") {
            const lines = answer.events.filter(({ text }) => !filter || text.includes(filter)).reverse()
            place.replaceChildren(element(
                "div", { class: "table" }, ...lines.map(({ level, text }) => element("pre", { class: level }, text))))
        } else {
            place.replaceChildren(figures(answer.figures), ...answer.tables.flatMap(table))
        }
        state.textContent = say("live")
        state.classList.remove("bad")
    } catch (error) {
        if (error.status == 401) return showLogin()
        state.textContent = error.status ? error.message : say("no answer")
        state.classList.add("bad")
    }
}

// MARK: What is done

function act(name, key) {
    const [first, ...rest] = console_.actions.find((action) => action.name == name).fields
    const fields = { [first]: key }
    for (const field of rest) {
        const text = prompt(say(field))
        if (text === null) return
        fields[field] = text
    }
    send(name, fields)
}

async function send(name, fields) {
    const said = document.getElementById("said")
    try {
        said.textContent = (await ask(`/api/actions/${name}`, fields)).said
        said.className = ""
    } catch (error) {
        said.textContent = error.message
        said.className = "error"
    }
    refresh()
}

// MARK: Who looks

function showLogin(words = "the node printed a link when it started; open it, or write the secret here") {
    console_ = shownView = null
    showTabs()
    const field = element("input", { name: "secret", type: "password", placeholder: say("secret"), "aria-label": say("secret") })
    main.replaceChildren(
        element("h2", {}, say("log in first")), element("p", { id: "said" }, say(words)),
        element(
            "form", { onsubmit: (event) => { event.preventDefault(); logIn(field.value) } }, field,
            element("button", {}, say("log in"))))
}

async function logIn(secret) {
    try {
        await ask("/api/login", { secret })
        await start()
    } catch (error) { showLogin(error.message) }
}

async function start() {
    try {
        console_ = await ask("/api/console")
        open(console_.views.includes(view) || view == "events" ? view : "overview")
    } catch { showLogin() }
}

languageButton.addEventListener("click", () => {
    language = language == "zh" ? "en" : "zh"
    localStorage.setItem("language", language)
    shownView = null
    showTabs()
    console_ ? refresh() : showLogin()
})
logoutButton.addEventListener("click", async () => { await ask("/api/logout", {}); showLogin() })

const link = location.hash.match(/^#login=(.+)$/)
if (link) {
    view = "overview"
    history.replaceState(null, "", "/")
    await logIn(link[1])
} else {
    await start()
}
setInterval(() => { if (!document.hidden) refresh() }, 1000)
