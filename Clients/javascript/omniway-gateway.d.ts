/** The word for programs in errors and reasons. */
export type Code =
    /** This side closed it. */
    | "closed"
    /** The other end of the connection closed it, or has left the gateway. */
    | "remote"
    /** The gateway ended the way to it, or is silent. */
    | "lost"
    /** What came is not the gateway protocol. */
    | "protocol"
    /** Messages came faster than they were read. */
    | "queue-full"
    /** The gateway refused a dial. */
    | "refused"
    /** There was no answer in time. */
    | "timeout"
    /** The gateway could not be connected to. */
    | "unreachable"
    /** There are `maxConnections` connections and dials. */
    | "too-many"
    /** A message does not fit a packet. */
    | "too-large"
    /** `maxBuffered` bytes wait to be sent. */
    | "buffer-full"
    /** The gateway is connected (again). */
    | "open"

/** Why something is as it is: a word for programs, a sentence for people. */
export interface Reason {
    readonly code: Code
    readonly message: string
}

export class GatewayError extends Error implements Reason {
    constructor(code: Code, message: string)
    readonly name: "GatewayError"
    readonly code: Code
}

export interface GatewayOptions {
    /** What the gateway's port speaks; "v2" unless told otherwise. */
    dialect?: "v1" | "v2"
    /** v2: how often the gateway is pinged, in ms; less than its idle timeout. 10000; 0 never pings. */
    pingInterval?: number
    /** v2: how long its answer may take, in ms. 10000. */
    pingTimeout?: number
    /** How long connecting may take, in ms. 10000. */
    connectTimeout?: number
    /** How long a dial may take, the waiting for a lost gateway included, in ms. 10000. */
    dialTimeout?: number
    /** Most bytes of a packet, as the gateway is told by --max-packet. A message has four bytes less. 512 KiB. */
    maxPacket?: number
    /** Most connections and dials at a time. 1024. */
    maxConnections?: number
    /** Most bytes that wait to be sent, of all connections. 8 MiB. */
    maxBuffered?: number
    /** Most messages of a connection that wait to be read. 1024. */
    queuedMessages?: number
    /** Most bytes of a connection that wait to be read; one message may always wait. 8 MiB. */
    queuedBytes?: number
    /** How a gateway that was lost is connected to again; false does not. */
    reconnect?: false | {
        /** After so many failures in a row the gateway is closed. 30. */
        attempts?: number
        /** The first attempt comes within so many ms; each next one may take twice as long. 500. */
        delay?: number
        /** No attempt waits longer, in ms. 30000. */
        maxDelay?: number
    }
}

/** The way to a gateway, and what goes through it. */
export class Gateway {
    private constructor()
    /** Resolves when the gateway can be used. Rejects when it cannot be reached: only later losses are mended. */
    static connect(url: string | URL, options?: GatewayOptions): Promise<Gateway>

    readonly state: "connecting" | "open" | "reconnecting" | "closed"
    /** Called when `state` changes. */
    onstatechange: ((state: Gateway["state"], reason: Reason) => void) | null
    /** Called with each connection that a server has dialled. Without it they are closed. */
    onconnection: ((connection: Connection) => void) | null

    /** Asks for a connection to a server. While the gateway is being reconnected, it waits for that. */
    dial(serverID: number): Promise<Connection>
    /** Ends everything. What was sent before is still sent. */
    close(): void
    /** Resolves when the gateway is gone for good. It never rejects. */
    readonly closed: Promise<Reason>
}

/** A virtual connection to one server. Messages are bytes, whole and in order. */
export class Connection implements AsyncIterable<Uint8Array> {
    private constructor()
    /** The number of the connection at the gateway; it is the same at the other end. */
    readonly id: number
    /** The number of the server. */
    readonly remote: number

    /** Sends one message. Throws when the connection has ended, or when too much waits to be sent. */
    send(message: Uint8Array | string): void
    sendJSON(value: unknown): void
    /** Bytes that wait to be sent: those of all connections, for they share the way to the gateway. */
    readonly bufferedAmount: number
    /** Waits until there is room to send. Rejects when the connection ends before. */
    drained(): Promise<void>

    /** Called with each message. Those that came before it was set come first. */
    onmessage: ((message: Uint8Array) => void) | null
    /** The messages until the connection ends. Leaving the loop does not close the connection. */
    [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void>

    /** Ends the connection. What was sent before still arrives; what has come and was not read is dropped. */
    close(): void
    /** Resolves when the connection has ended. It never rejects. */
    readonly closed: Promise<Reason>
}

/** The text of a message. */
export function text(message: Uint8Array): string
/** The value of a message that is JSON. */
export function json(message: Uint8Array): unknown

/** A frame with the payload of a virtual connection, or with a command. */
export type Frame =
    | { id: number, payload: Uint8Array, command?: undefined }
    | { id: 0, command: string, values: number[] }

/** The frames of the protocol as bytes, for tools and tests. */
export class Codec {
    constructor(dialect: "v1" | "v2", maxPacket?: number)
    /** What stands in front of a payload of so many bytes. */
    static header(id: number, count: number): Uint8Array
    /** The whole frame of a command. */
    command(name: string, ...values: number[]): Uint8Array
    /** The frames that are whole now; the rest of the bytes waits for the next call. Throws a GatewayError. */
    read(bytes: Uint8Array): Generator<Frame, void, void>
}
