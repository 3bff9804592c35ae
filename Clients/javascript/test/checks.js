// What the client must do, in a real browser. Tests/GatewayTests/Browser calls each check by its name on a page. Beside
// it are a gateway with server 7, which obeys the messages "close", "dial me", "flood", "quiet", "count" and
// "watch <id>" and sends all others back, and `script/`, a WebSocket that plays a gateway which says what it is told.
import { hex, is, rejection, runner, unhex } from "./expect.js"
import { Codec, Gateway, GatewayError, json, text } from "./omniway-gateway.js"

const server = 7

async function next(connection) {
    for await (const message of connection) return message
    throw new Error(`no message: ${JSON.stringify(await connection.closed)}`)
}

const numbered = (count) => Uint8Array.from({ length: count }, (_, index) => (index * 7 + (index >> 8)) & 0xff)

function isSame(one, other) { return one.length === other.length && one.every((byte, index) => byte === other[index]) }

// MARK: With a gateway

async function echo({ url, dialect }) {
    const gateway = await Gateway.connect(url, { dialect })
    const connection = await gateway.dial(server)
    is(connection.remote, server, "remote")
    connection.send("héllo ✓")
    is(text(await next(connection)), "héllo ✓", "text")
    connection.send(new Uint8Array([0, 1, 254, 255]))
    is([...await next(connection)], [0, 1, 254, 255], "bytes")
    connection.send(new Uint8Array(0))
    is((await next(connection)).length, 0, "an empty message")
    connection.sendJSON({ a: [1, "✓"] })
    is(json(await next(connection)), { a: [1, "✓"] }, "JSON")
    gateway.close()
    is((await connection.closed).code, "closed", "why the connection ended")
    is((await gateway.closed).code, "closed", "why the gateway ended")
}

async function manyAndLarge({ url, dialect }) {
    const gateway = await Gateway.connect(url, { dialect })
    const connection = await gateway.dial(server)
    // In one turn: many frames in a message, and frames that the end of a message cuts.
    const count = 5000
    const all = new Promise((resolve) => {
        const numbers = []
        connection.onmessage = (message) => {
            numbers.push(json(message).number)
            if (numbers.length === count) resolve(numbers)
        }
    })
    for (let number = 0; number < count; number++) connection.sendJSON({ number, filler: "x".repeat(number % 97) })
    is(await all, Array.from({ length: count }, (_, number) => number), "the order of messages")
    connection.onmessage = null
    const largest = numbered((512 << 10) - 4)
    for (const size of [65_535, 65_536, 65_537, largest.length]) {
        const message = largest.subarray(0, size)
        connection.send(message)
        is(isSame(await next(connection), message), true, `a message of ${size} bytes`)
    }
    try {
        connection.send(new Uint8Array(largest.length + 1))
        throw new Error("a message that no packet takes was sent")
    } catch (error) {
        is(error.code, "too-large", "a message above the limit")
    }
    connection.send("still here")
    is(text(await next(connection)), "still here", "after it")
    gateway.close()
}

async function dials({ url, dialect }) {
    const gateway = await Gateway.connect(url, { dialect })
    const outcomes = await Promise.allSettled([7, 999, 7, 998, 7].map((id) => gateway.dial(id)))
    is(outcomes.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"], "dials")
    const refusal = outcomes[1].reason
    is(refusal instanceof GatewayError && refusal.code, "refused", "the code of a refusal")
    is(refusal.message.includes("server 999") && refusal.message.includes("check that"), true, "its words")
    const connections = outcomes.filter(({ value }) => value).map(({ value }) => value)
    is(new Set(connections.map(({ id }) => id)).size, 3, "different ids")
    connections.forEach((connection, index) => connection.send(`to ${index}`))
    const answers = await Promise.all(connections.map(next))
    is(answers.map(text), ["to 0", "to 1", "to 2"], "answers")
    is((await rejection(gateway.dial(-1), "a dial to -1")).name, "RangeError", "a wrong id")
    gateway.close()
    is((await rejection(gateway.dial(7), "a late dial")).code, "closed", "a dial after close")
}

async function closing({ url, dialect }) {
    const gateway = await Gateway.connect(url, { dialect })
    const [mine, theirs, witness] = await Promise.all([7, 7, 7].map((id) => gateway.dial(id)))
    theirs.send("last words")
    theirs.send("close")
    const heard = []
    for await (const message of theirs) heard.push(text(message))
    is(heard, ["last words"], "what came before the end")
    is((await theirs.closed).code, "remote", "why")
    try {
        theirs.send("late")
        throw new Error("a connection that has ended took a message")
    } catch (error) {
        is(error.code, "closed", "sending after the end")
    }
    witness.send(`watch ${mine.id}`)
    mine.send("before the end")
    mine.close()
    is((await mine.closed).code, "closed", "why")
    is(text(await next(witness)), `closed ${mine.id} after 1`, "what the server saw")
    gateway.close()
}

async function dialledByServer({ url, dialect }) {
    const gateway = await Gateway.connect(url, { dialect })
    const coming = new Promise((resolve) => { gateway.onconnection = resolve })
    const connection = await gateway.dial(server)
    connection.send("dial me")
    const second = await coming
    is(second.remote, server, "who dials")
    is(text(await next(second)), "greeting", "its first message")
    second.send("back")
    is(text(await next(second)), "back", "an answer")
    // Nobody takes connections now, so the next one is closed; that the first goes on shows it was not all.
    gateway.onconnection = null
    connection.send("dial me")
    is(text(await next(connection)), "hung up", "what the server heard")
    gateway.close()
}

async function fullQueue({ url, dialect }) {
    const gateway = await Gateway.connect(url, { dialect, queuedMessages: 100 })
    const [flooded, other] = await Promise.all([7, 7].map((id) => gateway.dial(id)))
    flooded.send("flood")
    is((await flooded.closed).code, "queue-full", "why")
    const kept = []
    for await (const message of flooded) kept.push(message[0])
    is(kept, Array.from({ length: 100 }, (_, index) => index), "what had found room")
    other.send("and you?")
    is(text(await next(other)), "and you?", "another connection")
    gateway.close()
}

async function backPressure({ url, dialect }) {
    const gateway = await Gateway.connect(url, { dialect, maxBuffered: 1 << 20 })
    const connection = await gateway.dial(server)
    const part = new Uint8Array(100_000)
    connection.send("quiet")
    await next(connection)
    let code
    try {
        // In one turn, so the browser has no time to send.
        for (let index = 0; index < 20; index++) connection.send(part)
    } catch (error) {
        code = error.code
    }
    is(code, "buffer-full", "sending without waiting")
    is(connection.bufferedAmount <= 1 << 20 && connection.bufferedAmount >= 900_000, true, "what waits")
    const sent = 10
    for (let index = sent; index < 60; index++) {
        await connection.drained()
        connection.send(part)
    }
    connection.send("count")
    is(text(await next(connection)), `60 messages, ${60 * part.length} bytes`, "what the server got")
    gateway.close()
    is((await rejection(connection.drained(), "waiting")).code, "closed", "waiting after the end")
}

async function gatewayRestarts({ url, dialect }) {
    const gateway = await Gateway.connect(url, { dialect, reconnect: { delay: 20, maxDelay: 50, attempts: 1000 } })
    const states = []
    gateway.onstatechange = (state, reason) => states.push(`${state} ${reason.code}`)
    const connection = await gateway.dial(server)
    connection.send("one")
    is(text(await next(connection)), "one", "before")
    const restarted = fetch("/restart")
    is((await connection.closed).code, "lost", "why the connection ended")
    is(gateway.state, "reconnecting", "state")
    const again = gateway.dial(server) // It waits.
    await restarted
    const second = await again
    second.send("two")
    is(text(await next(second)), "two", "after")
    is(states, ["reconnecting lost", "open open"], "states")
    gateway.close()
    is(states.at(-1), "closed closed", "at the end")
}

// MARK: With a script
// A script is steps with "-" between them: hex to send as one message; "w" and hex to wait for; "t" to send a text;
// "x" to close.

const scripted = (base, steps, options) =>
    Gateway.connect(`${base}/script/${steps.join("-")}`, { reconnect: false, ...options })

async function cutFrames({ base, dialect }) {
    const codec = new Codec(dialect)
    const data = (id, words) => hex(Codec.header(id, words.length)) + hex(new TextEncoder().encode(words))
    const [asks, accepts] = dialect === "v1"
        ? [["w" + hex(codec.command("new")), hex(codec.command("open", 5)), "w" + hex(codec.command("dial", 5, 7))],
            hex(codec.command("accept", 5, 7))]
        : [["w" + hex(codec.command("dial", 7))], hex(codec.command("accept", 5, 7))]
    const stream = accepts + data(5, "one") + data(5, "") + data(5, "three") + hex(codec.command("close", 5))
    for (const size of [1, 2, 3, 5, 7, 11, stream.length / 2]) {
        const pieces = stream.match(new RegExp(`.{1,${2 * size}}`, "g"))
        const gateway = await scripted(base, [...asks, ...pieces], { dialect })
        const connection = await gateway.dial(7)
        const heard = []
        for await (const message of connection) heard.push(text(message))
        is(heard, ["one", "", "three"], `cut into pieces of ${size} bytes`)
        is((await connection.closed).code, "remote", "its end")
        gateway.close()
    }
}

async function malformed({ base, dialect }) {
    const codec = new Codec(dialect)
    const wrong = {
        "a length below the id": "03000000000000",
        "a command without a type": "0400000000000000",
        "a packet above the limit": "01000800" + "01000000",
        "an unknown command": "0500000000000000" + "09",
        "a command that is cut": "0600000000000000" + "0401",
        "a close without an id": "0500000000000000" + (dialect === "v1" ? "05" : "04"),
        "an answer to no dial": hex(codec.command("refuse", 8)),
        "a dial": hex(codec.command("dial", ...dialect === "v1" ? [1, 7] : [7])),
        "a refusal of id zero": hex(codec.command("refuse", dialect === "v1" ? 0 : 1)),
        "the id zero": hex(dialect === "v1" ? codec.command("accept", 0, 7) : codec.command("connect", 0, 7)),
    }
    for (const [what, bytes] of Object.entries(wrong)) {
        const gateway = await scripted(base, [bytes], { dialect })
        const waiting = rejection(gateway.dial(7), what)
        const reason = await gateway.closed
        is(reason.code, "protocol", what)
        is(reason.message.startsWith("the gateway broke the protocol: "), true, reason.message)
        is((await waiting).code, "protocol", `a dial meanwhile, with ${what}`)
    }
    const gateway = await scripted(base, ["t"], { dialect })
    is((await gateway.closed).code, "protocol", "a text")
}

async function pings({ base, dialect }) {
    const ping = hex(new Codec(dialect).command("ping"))
    if (dialect === "v1") {
        const gateway = await scripted(base, [ping, "w" + ping, ping + ping, "w" + ping + ping, "x"], { dialect })
        is((await gateway.closed).code, "lost", "all pings were answered, and the script ended")
    } else {
        const often = { dialect, pingInterval: 5, pingTimeout: 60_000 }
        const gateway = await scripted(base, ["w" + ping, ping, "w" + ping, ping, "w" + ping, "x"], often)
        const reason = await gateway.closed
        is(reason.message.includes("ended the connection"), true, reason.message)
        const silent = await scripted(base, ["w" + ping], { dialect, pingInterval: 5, pingTimeout: 20 })
        is((await silent.closed).message.includes("did not answer a ping"), true, "an answer that does not come")
    }
}

async function notRead({ base, dialect }) {
    // Nothing is sent before the turn ends, so what it answers to one message waits as if the gateway read nothing.
    const codec = new Codec(dialect)
    const costly = dialect === "v1" ? hex(codec.command("ping")) : hex(Codec.header(5, 0))
    const gateway = await scripted(base, [costly.repeat(100)], { dialect, maxPacket: 100, maxBuffered: 200 })
    const reason = await gateway.closed
    is([reason.code, reason.message.includes("does not read")], ["lost", true], reason.message)
}

async function lateAnswers({ base, dialect }) {
    const codec = new Codec(dialect)
    const bytes = (...words) => hex(codec.command(...words))
    // The first dial is given up; what answers it must not be taken for the answer to the second.
    const v1 = ["w" + bytes("new"), "w" + bytes("new"), bytes("open", 1) + bytes("open", 2),
        "w" + bytes("close", 1) + bytes("dial", 2, 7), bytes("accept", 2, 7)]
    const v2 = ["w" + bytes("dial", 7), "w" + bytes("dial", 7), bytes("accept", 1, 7) + bytes("accept", 2, 7),
        "w" + bytes("close", 1)]
    const data = hex(Codec.header(2, 2)) + "6f6b"
    const steps = [...dialect === "v1" ? v1 : v2, data]
    const gateway = await scripted(base, steps, { dialect, dialTimeout: 1000 })
    is((await rejection(gateway.dial(7), "the first dial")).code, "timeout", "the first dial")
    const connection = await gateway.dial(7)
    is(connection.id, 2, "the second dial")
    is(text(await next(connection)), "ok", "its data")
    gateway.close()
}

async function losses({ base, dialect }) {
    // Every connection of the script ends at once, and nothing was heard of it: attempts are counted.
    const reconnect = { attempts: 3, delay: 1, maxDelay: 2 }
    const gateway = await Gateway.connect(`${base}/script/x`, { dialect, reconnect })
    const states = []
    gateway.onstatechange = (state) => states.push(state)
    is((await gateway.closed).code, "lost", "after all attempts")
    is(states.filter((state) => state === "reconnecting").length, 3, "attempts")
    const error = await rejection(Gateway.connect(`${base}/nothing`, { dialect }), "a wrong address")
    is(error.code, "unreachable", "a wrong address")
    is(error.message.includes("check the address"), true, error.message)
    is((await rejection(Gateway.connect(base, { pingIntervall: 1 }), "an option")).name, "TypeError", "a wrong option")
    is((await rejection(Gateway.connect(base, { maxPacket: -1 }), "a size")).name, "RangeError", "a wrong size")
}

async function applicationErrors({ url, dialect }) {
    const reported = []
    const silence = (event) => {
        event.preventDefault()
        reported.push(event.error.message)
    }
    addEventListener("error", silence)
    const gateway = await Gateway.connect(url, { dialect })
    const connection = await gateway.dial(server)
    const heard = []
    await new Promise((resolve) => {
        connection.onmessage = (message) => {
            heard.push(text(message))
            if (heard.length === 2) resolve()
            throw new Error(`about ${text(message)}`)
        }
        connection.send("one")
        connection.send("two")
    })
    is(heard, ["one", "two"], "messages")
    is(gateway.state, "open", "the gateway")
    gateway.close()
    await Promise.resolve()
    is(reported, ["about one", "about two"], "what was reported")
    removeEventListener("error", silence)
}

// MARK: Bytes alone

async function vectors({ dialect }) {
    const { vectors } = await (await fetch(`/vectors/gateway-${dialect}-endpoints.json`)).json()
    const frames = vectors.filter((vector) => vector.hex && !vector.name.includes("handshake"))
    const heard = new Set()
    for (const { hex: recorded, meaning } of frames) {
        const bytes = unhex(recorded)
        const codec = new Codec(dialect)
        const [frame] = codec.read(bytes)
        // What was read is written as the same bytes, so names, numbers and the order of arguments are right.
        const again = frame.command
            ? codec.command(frame.command, ...frame.values)
            : new Uint8Array([...Codec.header(frame.id, frame.payload.length), ...frame.payload])
        is(hex(again), recorded, meaning)
        const [, name] = meaning.match(/^command \d (\w+)/) ?? [null, "data"]
        is(frame.command ?? "data", name.toLowerCase(), meaning)
        for (const [, key, value] of meaning.matchAll(/(connID|remoteID)=(\d+)/g)) {
            const values = frame.values ?? [frame.id]
            is(values[key === "connID" ? 0 : values.length - 1], Number(value), `${key} in ${meaning}`)
        }
        heard.add(name.toLowerCase())
        for (let cut = 0; cut < bytes.length; cut++) {
            is([...codec.read(bytes.subarray(0, cut))], [], `${meaning} cut at ${cut}`)
            is([...codec.read(bytes.subarray(cut))].length, 1, `${meaning} after ${cut}`)
        }
    }
    const whole = frames.map((frame) => frame.hex).join("")
    const codec = new Codec(dialect)
    let count = 0
    for (let at = 0; at < whole.length; at += 14) {
        const part = unhex(whole.slice(at, at + 14))
        for (const frame of codec.read(part)) is(frame.id >= 0, true, `frame ${count++}`)
    }
    is(count, frames.length, "frames in one stream")
    const commands = dialect === "v1"
        ? ["new", "open", "dial", "refuse", "accept", "close", "ping"]
        : ["dial", "accept", "connect", "refuse", "close", "ping"]
    is([...heard].sort(), ["data", ...commands].sort(), "what was recorded")
}

const checks = {
    echo, manyAndLarge, dials, closing, dialledByServer, fullQueue, backPressure, gatewayRestarts, cutFrames, malformed,
    pings, notRead, lateAnswers, losses, applicationErrors, vectors,
}

export const run = runner(checks)
