// The browser's end of the gateway protocol (fastway v1 and v2, uniway) over WebSocket. No dependencies, no build step;
// it also runs where WebSocket is built in: Node from 22 on, Deno, Bun, workers.
//
//     import { Gateway, text } from "./omniway-gateway.js"
//
//     const gateway = await Gateway.connect("wss://game.example.org/gateway")
//     const connection = await gateway.dial(7)
//     connection.send("hello")
//     for await (const message of connection) console.log(text(message))

/** What went wrong, as a word for programs (`code`) and as a sentence that says what to do (`message`). */
export class GatewayError extends Error {
    constructor(code, message) {
        super(message)
        this.name = "GatewayError"
        this.code = code
    }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The text of a message. */
export const text = (message) => decoder.decode(message)
/** The value of a message that is JSON. */
export const json = (message) => JSON.parse(text(message))

// MARK: Bytes

// The commands of each dialect in the order of their numbers, with how many 32-bit arguments each has.
const commands = {
    v1: [["new", 0], ["open", 1], ["dial", 2], ["refuse", 1], ["accept", 2], ["close", 1], ["ping", 0]],
    v2: [["dial", 1], ["accept", 2], ["connect", 2], ["refuse", 1], ["close", 1], ["ping", 0]],
}
const mostID = 0xffffffff

/** Frames as bytes: a little-endian length, the id of a virtual connection, a payload. Id 0 carries commands. */
export class Codec {
    #commands
    #maxPacket
    // The beginning of a frame whose end has not come yet: the first bytes of a buffer that grows as they come.
    #rest = new Uint8Array(0)
    #restSize = 0

    constructor(dialect, maxPacket = 512 << 10) {
        this.#commands = commands[dialect]
        this.#maxPacket = maxPacket
    }

    /** What stands in front of a payload of so many bytes. The length counts the id, and not itself. */
    static header(id, count) {
        const header = new DataView(new ArrayBuffer(8))
        header.setUint32(0, 4 + count, true)
        header.setUint32(4, id, true)
        return new Uint8Array(header.buffer)
    }

    /** The whole frame of a command. */
    command(name, ...values) {
        const type = this.#commands.findIndex(([known]) => known === name)
        const payload = new DataView(new ArrayBuffer(1 + 4 * values.length))
        payload.setUint8(0, type)
        values.forEach((value, index) => payload.setUint32(1 + 4 * index, value, true))
        const frame = new Uint8Array(8 + payload.byteLength)
        frame.set(Codec.header(0, payload.byteLength))
        frame.set(new Uint8Array(payload.buffer), 8)
        return frame
    }

    /**
     * The frames that are whole now. Where a WebSocket message ends means nothing, so the rest waits for the next.
     * Throws a GatewayError for what no gateway sends; the frames in front of it have been given by then.
     */
    *read(bytes) {
        if (this.#restSize > 0) bytes = this.#append(bytes)
        this.#restSize = 0
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        let start = 0
        while (bytes.length - start >= 4) {
            const length = view.getUint32(start, true)
            if (length < 4) throw malformed(`a packet says that it has ${length} bytes; it needs 4 at least`)
            if (length > this.#maxPacket) {
                throw malformed(`a packet of ${length} bytes; set maxPacket to what the gateway has`)
            }
            const end = start + 4 + length
            if (bytes.length < end) break
            const id = view.getUint32(start + 4, true)
            // A copy: it neither keeps the whole WebSocket message alive, nor changes with the bytes that follow.
            const payload = new Uint8Array(bytes.subarray(start + 8, end))
            yield id === 0 ? this.#parse(payload) : { id, payload }
            start = end
        }
        if (start < bytes.length) this.#keep(bytes.subarray(start))
    }

    #append(bytes) {
        const size = this.#restSize + bytes.length
        if (size > this.#rest.length) {
            const larger = new Uint8Array(Math.max(size, 2 * this.#rest.length))
            larger.set(this.#rest.subarray(0, this.#restSize))
            this.#rest = larger
        }
        this.#rest.set(bytes, this.#restSize)
        return this.#rest.subarray(0, size)
    }

    #keep(bytes) {
        const { buffer, byteOffset, length } = bytes
        if (buffer === this.#rest.buffer) this.#rest.copyWithin(0, byteOffset, byteOffset + length)
        else this.#rest = new Uint8Array(bytes)
        this.#restSize = length
    }

    #parse(payload) {
        if (payload.length === 0) throw malformed("a command without a type")
        const [name, count] = this.#commands[payload[0]] ?? []
        if (!name) throw malformed(`command ${payload[0]} is not known; check that the dialect is the gateway's`)
        if (payload.length < 1 + 4 * count) throw malformed(`${name} has only ${payload.length} bytes`)
        const view = new DataView(payload.buffer, payload.byteOffset)
        // Bytes behind the arguments mean nothing.
        const values = Array.from({ length: count }, (_, index) => view.getUint32(1 + 4 * index, true))
        return { id: 0, command: name, values }
    }
}

const malformed = (message) => new GatewayError("protocol", `the gateway broke the protocol: ${message}`)

// MARK: Connections

// What a gateway does with its connections, and nobody else.
const deliver = Symbol("deliver")
const end = Symbol("end")

/** A virtual connection to one server. Messages are bytes, whole and in order. */
export class Connection {
    /** The number of the connection at the gateway; it is the same at the other end. */
    id
    /** The number of the server. */
    remote
    /** Resolves with the reason, `{ code, message }`, when the connection has ended. It never rejects. */
    closed

    #wire
    #limits
    #onmessage = null
    #queue = []
    #queuedBytes = 0
    #readers = []
    #reason = null
    #resolveClosed

    constructor(id, remote, wire, limits) {
        this.id = id
        this.remote = remote
        this.#wire = wire
        this.#limits = limits
        this.closed = new Promise((resolve) => { this.#resolveClosed = resolve })
    }

    /** Sends one message. Throws when the connection has ended, or when too much waits to be sent. */
    send(message) {
        const payload = typeof message === "string" ? encoder.encode(message) : message
        if (!(payload instanceof Uint8Array)) throw new TypeError("send takes a Uint8Array or a string")
        if (this.#reason) throw new GatewayError("closed", `connection ${this.id} has ended: ${this.#reason.message}`)
        this.#wire.send(this.id, payload)
    }

    sendJSON(value) { this.send(JSON.stringify(value)) }

    /** Bytes that wait to be sent: those of all connections, for they share the way to the gateway. */
    get bufferedAmount() { return this.#wire.waiting() }

    /** Waits until there is room to send. Rejects when the connection ends before. */
    async drained() {
        // WebSocket has no event for this.
        while (!this.#reason && this.#wire.isCrowded()) await new Promise((resolve) => setTimeout(resolve, 5))
        if (this.#reason) throw new GatewayError("closed", this.#reason.message)
    }

    /** Called with each message. Those that came before it was set come first. */
    get onmessage() { return this.#onmessage }
    set onmessage(handler) {
        this.#onmessage = handler
        queueMicrotask(() => {
            while (this.#onmessage && this.#queue.length > 0) call(this.#onmessage, this.#take())
        })
    }

    /** The messages until the connection ends. Leaving the loop does not close the connection. */
    async *[Symbol.asyncIterator]() {
        while (true) {
            if (this.#queue.length > 0) yield this.#take()
            else if (this.#reason) return
            else await new Promise((resolve) => this.#readers.push(resolve))
        }
    }

    /** Ends the connection. What was sent before still arrives; what has come and was not read is dropped. */
    close() {
        if (this.#reason) return
        this.#wire.hangUp(this.id)
        this[end](reason("closed", "this side closed it"))
        this.#queue = []
        this.#queuedBytes = 0
    }

    [deliver](message) {
        if (this.#onmessage && this.#queue.length === 0) return call(this.#onmessage, message)
        const { queuedMessages, queuedBytes } = this.#limits
        const isFull = this.#queuedBytes + message.length > queuedBytes && this.#queue.length > 0
        if (isFull || this.#queue.length >= queuedMessages) {
            this.#wire.hangUp(this.id)
            return this[end](reason("queue-full", "messages came faster than they were read; read faster, or raise"
                + " queuedMessages and queuedBytes"))
        }
        this.#queue.push(message)
        this.#queuedBytes += message.length
        this.#wake()
    }

    [end](reason) {
        this.#reason = reason
        this.#resolveClosed(reason)
        this.#wake()
    }

    #take() {
        const message = this.#queue.shift()
        this.#queuedBytes -= message.length
        return message
    }

    #wake() {
        for (const resume of this.#readers.splice(0)) resume()
    }
}

const reason = (code, message) => Object.freeze({ code, message })

// An application's mistake is reported like that of any event handler; it does not stop the reading of frames.
function call(handler, ...values) {
    try {
        handler(...values)
    } catch (error) {
        if (globalThis.reportError) reportError(error)
        else queueMicrotask(() => { throw error })
    }
}

// MARK: The gateway

const defaults = {
    dialect: "v2",
    pingInterval: 10_000,
    pingTimeout: 10_000,
    connectTimeout: 10_000,
    dialTimeout: 10_000,
    maxPacket: 512 << 10,
    maxConnections: 1024,
    maxBuffered: 8 << 20,
    queuedMessages: 1024,
    queuedBytes: 8 << 20,
    reconnect: { attempts: 30, delay: 500, maxDelay: 30_000 },
}

// Frames go in messages of at most so many bytes, and are cut at their ends: how large a message may be that a gateway
// takes is not the same as how large a packet may be.
const messageSize = 64 << 10

/** The way to a gateway, and what goes through it. */
export class Gateway {
    /** Called with each connection that a server has dialled. Without it they are closed. */
    onconnection = null
    /** Called with "open", "reconnecting" or "closed", and a reason, when that changes. */
    onstatechange = null
    /** Resolves with the reason, `{ code, message }`, when the gateway is gone for good. It never rejects. */
    closed

    #url
    #options
    #state = "connecting"
    #socket = null
    #codec = null
    #connections = new Map()
    // In the order in which they are asked for, which is that of the answers.
    #dials = []
    // For the next thing to be done about the socket: give up connecting, ping, miss an answer, try again.
    #timer
    #failures = 0
    #batch = new Uint8Array(messageSize)
    #batchSize = 0
    #willFlush = false
    #settleFirst
    #resolveClosed

    /** Resolves when the gateway can be used. Rejects when it cannot be reached: only later losses are mended. */
    static async connect(url, options = {}) {
        const gateway = new Gateway(url, checked(options))
        return new Promise((resolve, reject) => {
            gateway.#settleFirst = (error) => error ? reject(error) : resolve(gateway)
            gateway.#open()
        })
    }

    constructor(url, options) {
        this.#url = url
        this.#options = options
        this.closed = new Promise((resolve) => { this.#resolveClosed = resolve })
    }

    /** "connecting", "open", "reconnecting" or "closed". */
    get state() { return this.#state }

    /** Asks for a connection to a server. While the gateway is being reconnected, it waits for that. */
    async dial(serverID) {
        if (!Number.isInteger(serverID) || serverID < 0 || serverID > mostID) {
            throw new RangeError(`the id of a server is an integer from 0 to ${mostID}, not ${serverID}`)
        }
        if (this.#state === "closed") throw new GatewayError("closed", "the gateway is closed; connect to it again")
        if (this.#connections.size + this.#dials.length >= this.#options.maxConnections) {
            throw new GatewayError("too-many", "too many connections; close some, or raise maxConnections")
        }
        return new Promise((resolve, reject) => {
            const dial = { serverID, id: 0, isAbandoned: false, resolve, reject }
            dial.timer = setTimeout(() => this.#abandon(dial), this.#options.dialTimeout)
            this.#dials.push(dial)
            if (this.#state === "open") this.#ask(dial)
        })
    }

    /** Ends everything. What was sent before is still sent. */
    close() {
        if (this.#state === "closed") return
        this.#flush()
        this.#leave(1000, "")
        this.#end(reason("closed", "this side closed the gateway"))
    }

    // MARK: The socket

    #open() {
        const { dialect, maxPacket, connectTimeout } = this.#options
        let socket
        try {
            socket = new WebSocket(this.#url)
        } catch (error) {
            return this.#end(reason("unreachable", `cannot connect to ${this.#url}: ${error.message}`))
        }
        this.#socket = socket
        this.#codec = new Codec(dialect, maxPacket)
        this.#batchSize = 0
        socket.binaryType = "arraybuffer"
        socket.onopen = () => this.#opened()
        socket.onmessage = (event) => this.#receive(event.data)
        socket.onclose = (event) => this.#lost(this.#whyClosed(event))
        this.#after(connectTimeout, () => this.#lost(reason("timeout", `${this.#url} did not answer in time`)))
    }

    #opened() {
        clearTimeout(this.#timer)
        for (const dial of this.#dials) this.#ask(dial)
        this.#setState("open", reason("open", "connected"))
        this.#settleFirst()
        this.#waitToPing()
    }

    // Browsers do not say why a WebSocket could not be opened.
    #whyClosed(event) {
        if (this.#state !== "open") {
            return reason("unreachable", `cannot connect to ${this.#url}: check the address, that this port of the`
                + " gateway speaks WebSocket (ws://, wss://), and that it allows the origin of this page")
        }
        const words = [event.code, event.reason].filter(Boolean).join(" ")
        return reason("lost", `the gateway ended the connection (${words})`)
    }

    // Nothing that the old socket still has to say matters.
    #leave(code, why) {
        clearTimeout(this.#timer)
        const socket = this.#socket
        if (!socket) return
        this.#socket = null
        socket.onopen = socket.onmessage = socket.onclose = null
        socket.close(code, why)
    }

    #lost(why) {
        this.#leave(4000, why.code)
        const { reconnect } = this.#options
        if (this.#state === "connecting" || !reconnect || this.#failures >= reconnect.attempts) return this.#end(why)
        // Dials that nobody has been asked for yet go on waiting.
        if (this.#state === "open") this.#endAll(why)
        if (this.#state !== "closed") this.#setState("reconnecting", why)
        if (this.#state !== "reconnecting") return // A callback has closed it.
        // Anything from nothing to the whole: browsers that were cut off together do not come back together.
        const delay = Math.random() * Math.min(reconnect.maxDelay, reconnect.delay * 2 ** this.#failures)
        this.#failures += 1
        this.#after(delay, () => this.#open())
    }

    #end(why) {
        const isFirst = this.#state === "connecting"
        this.#endAll(why)
        this.#setState("closed", why)
        this.#resolveClosed(why)
        if (isFirst) this.#settleFirst(new GatewayError(why.code, why.message))
    }

    #endAll(why) {
        for (const dial of this.#dials.splice(0)) this.#settle(dial, new GatewayError(why.code, why.message))
        const connections = [...this.#connections.values()]
        this.#connections.clear()
        for (const connection of connections) connection[end](why)
    }

    #setState(state, why) {
        if (this.#state === state) return
        this.#state = state
        if (this.onstatechange) call(this.onstatechange, state, why)
    }

    #after(time, work) {
        clearTimeout(this.#timer)
        this.#timer = setTimeout(work, time)
    }

    // MARK: Keep-alive

    // In v1 it is the gateway that asks.
    #waitToPing() {
        const { dialect, pingInterval } = this.#options
        if (dialect === "v1" || pingInterval === 0 || this.#state !== "open") return
        this.#after(pingInterval, () => this.#ping())
    }

    #ping() {
        this.#say("ping")
        const why = reason("lost", `the gateway did not answer a ping within ${this.#options.pingTimeout} ms`)
        this.#after(this.#options.pingTimeout, () => this.#lost(why))
    }

    // MARK: Receiving

    #receive(data) {
        try {
            if (typeof data === "string") throw malformed("a text where only bytes are sent")
            for (const frame of this.#codec.read(new Uint8Array(data))) {
                this.#failures = 0 // It is a gateway, and it works.
                if (frame.id === 0) this.#obey(frame.command, ...frame.values)
                else this.#arrived(frame.id, frame.payload)
                if (!this.#socket) return // A callback has closed it.
            }
        } catch (error) {
            // Not mended: what comes after a new connection would be as wrong.
            this.#leave(4002, "protocol")
            return this.#end(reason("protocol", error.message))
        }
        // Answers have no other bound than this.
        if (this.#waiting > 2 * this.#options.maxBuffered) {
            this.#lost(reason("lost", "the gateway does not read what it is sent"))
        }
    }

    #arrived(id, payload) {
        const connection = this.#connections.get(id)
        if (connection) connection[deliver](payload)
        else this.#say("close", id) // The other end has not heard yet that it is closed.
    }

    #obey(command, ...values) {
        const isV1 = this.#options.dialect === "v1"
        const [first, second] = values
        const isItsID = (dial) => dial.id === first && first !== 0 // Dials that wait for an id have none yet.
        switch (command) {
            case "ping": return isV1 ? this.#say("ping") : this.#waitToPing()
            case "close": return this.#closed(first)
            case "open": return this.#hasID(first)
            case "connect":
            case "accept": {
                if (first === 0 || this.#connections.has(first)) throw malformed(`it gives away the id ${first}`)
                if (command === "connect") return this.#accepted(first, second, null)
                const dial = this.#answered(isV1 ? isItsID : (dial) => dial.serverID === second)
                // In v1 who was dialled hears the same as who dialled.
                if (!dial && !isV1) throw malformed(`it accepts a dial to ${second} that was not sent`)
                return this.#accepted(first, second, dial)
            }
            case "refuse": {
                const dial = this.#answered(isV1 ? isItsID : (dial) => dial.serverID === first)
                if (!dial) throw malformed(`it refuses a dial to ${first} that was not sent`)
                return this.#settle(dial, new GatewayError("refused", `the gateway refused a connection to server`
                    + ` ${dial.serverID}: check that a server with this id is connected to the gateway, and how many`
                    + " connections the gateway allows one client"))
            }
            default: throw malformed(`${command} is not for clients`)
        }
    }

    #closed(id) {
        const connection = this.#connections.get(id)
        this.#connections.delete(id) // A close of ours is answered by a close, which finds nothing.
        connection?.[end](reason("remote", "the other end closed it, or has left the gateway"))
    }

    // MARK: Dialling

    #ask(dial) {
        // v1 gives an id first, to whoever has waited longest; v2 with its answer.
        if (this.#options.dialect === "v1") this.#say("new")
        else this.#say("dial", dial.serverID)
    }

    #hasID(id) {
        const dial = this.#dials.find((dial) => dial.id === 0)
        if (!dial || id === 0) throw malformed(`it opens ${id}, which was not asked for`)
        dial.id = id
        if (!dial.isAbandoned) return this.#say("dial", id, dial.serverID)
        this.#dials.splice(this.#dials.indexOf(dial), 1)
        this.#say("close", id)
    }

    // A dial whose time is over stays, so that its answer is not taken for that of the next.
    #abandon(dial) {
        dial.isAbandoned = true
        if (this.#state !== "open") this.#dials.splice(this.#dials.indexOf(dial), 1)
        dial.reject(new GatewayError("timeout", `no answer to the dial to server ${dial.serverID} in time; try again`))
    }

    #answered(isIt) {
        const index = this.#dials.findIndex(isIt)
        return index < 0 ? null : this.#dials.splice(index, 1)[0]
    }

    #settle(dial, error, connection) {
        clearTimeout(dial.timer)
        if (error) dial.reject(error)
        else dial.resolve(connection)
    }

    #accepted(id, remote, dial) {
        const isFull = this.#connections.size >= this.#options.maxConnections
        if (dial ? dial.isAbandoned : isFull || !this.onconnection) return this.#say("close", id)
        const connection = new Connection(id, remote, this.#wire, this.#options)
        this.#connections.set(id, connection)
        if (dial) this.#settle(dial, null, connection)
        else call(this.onconnection, connection)
    }

    // MARK: Sending

    // What connections may do with the gateway.
    #wire = {
        send: (id, payload) => this.#send(id, payload),
        hangUp: (id) => {
            this.#connections.delete(id)
            this.#say("close", id)
        },
        waiting: () => this.#waiting,
        isCrowded: () => this.#waiting > this.#options.maxBuffered / 4,
    }

    get #waiting() { return this.#batchSize + (this.#socket?.bufferedAmount ?? 0) }

    #send(id, payload) {
        const { maxPacket, maxBuffered } = this.#options
        // The gateway counts the id too, and would end everything for a packet that is too large.
        if (payload.length > maxPacket - 4) {
            throw new GatewayError("too-large", `a message of ${payload.length} bytes; at most ${maxPacket - 4} go at a`
                + " time: send it in pieces, or raise maxPacket here and at the gateway")
        }
        if (this.#waiting + payload.length > maxBuffered) {
            throw new GatewayError("buffer-full", `${this.#waiting} bytes wait to be sent; await drained() before you`
                + " send more")
        }
        this.#write(Codec.header(id, payload.length))
        this.#write(payload)
    }

    #say(command, ...values) { this.#write(this.#codec.command(command, ...values)) }

    // What one turn of the event loop writes goes as one message.
    #write(bytes) {
        for (let start = 0; start < bytes.length;) {
            const piece = bytes.subarray(start, start + messageSize - this.#batchSize)
            this.#batch.set(piece, this.#batchSize)
            this.#batchSize += piece.length
            start += piece.length
            if (this.#batchSize === messageSize) this.#flush()
        }
        if (this.#willFlush) return
        this.#willFlush = true
        queueMicrotask(() => {
            this.#willFlush = false
            this.#flush()
        })
    }

    #flush() {
        if (this.#batchSize === 0 || !this.#socket) return
        const bytes = this.#batch.subarray(0, this.#batchSize)
        this.#batchSize = 0
        this.#socket.send(bytes)
    }
}

// The options with what was not given. What cannot work is said now.
function checked(options) {
    const all = { ...defaults }
    for (const [name, value] of Object.entries(options)) {
        if (!Object.hasOwn(defaults, name)) {
            throw new TypeError(`there is no option ${name}; there are ${Object.keys(defaults).join(", ")}`)
        }
        if (value !== undefined) all[name] = value
    }
    if (!Object.hasOwn(commands, all.dialect)) {
        throw new TypeError(`there is no dialect ${all.dialect}; use "v1" or "v2"`)
    }
    all.reconnect = all.reconnect ? { ...defaults.reconnect, ...all.reconnect } : false
    const { dialect, reconnect, ...numbers } = { ...all, ...all.reconnect }
    for (const [name, value] of Object.entries(numbers)) {
        // A timer of a longer time fires at once.
        const most = /Interval|Timeout|delay/i.test(name) ? 2 ** 31 - 1 : Infinity
        if (!(value >= 0 && value <= most)) throw new RangeError(`${name} is a number from 0 to ${most}, not ${value}`)
    }
    if (all.maxPacket < 5) throw new RangeError("maxPacket is 5 at least: an id and one byte")
    if (all.maxBuffered < 2 * all.maxPacket) throw new RangeError("maxBuffered is twice maxPacket at least")
    return all
}
