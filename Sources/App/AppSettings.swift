public import OmniwayTransport

/// What holds for every session of an app.
public struct AppSettings: Sendable {
    /// Heartbeats go both ways; a client that is silent for more than two intervals is closed. Zero for none.
    public var heartbeat = Duration.seconds(30)
    /// How long a client has for its handshake and the ack of it; zero for ever.
    public var handshakeLimit = Duration.seconds(10)
    /// How packets stand among the bytes of a connection; nil for as the protocol has it.
    public var codec: (any PacketCodec)?
    /// Most bytes of a packet's body that a client may send.
    public var maxPacketSize = 4 << 20
    /// Most bytes that a compressed body may become.
    public var maxInflatedSize = 4 << 20
    /// Whether bodies are compressed for clients where that makes them shorter. What clients compress is always read.
    public var compression = Compression.on
    /// Most packets that one client may send within an interval; nil for no limit. A request above it is answered with
    /// an error, a notify is dropped.
    public var rateLimit: RateLimit?
    public var inFlight = InFlight()
    /// How long a handler may take that waits; the client is told then that it took too long. Nil for no limit.
    public var callLimit: Duration?
    /// What may wait for a client that reads slowly. A full one is not read from; beyond `most` it is closed.
    public var queue = QueueLimits(low: 32 << 10, high: 128 << 10, most: 4 << 20)
    /// Most sessions, on all loops together.
    public var maxSessions = 1 << 20
    /// How long `stop` waits for messages under way.
    public var drainLimit = Duration.seconds(10)
    /// How `stop` lets sessions leave by themselves before that; nil when it does not.
    public var drain: SessionDrain?
    /// Most timers at a time; what is set beyond never runs, and the log says so.
    public var maxTimers = 100_000
    public var groups = GroupLimits()
    /// Labels of all meters of this app besides `serverType`: `game`, a region.
    public var meterLabels: [String: String] = [:]
    /// Where spans of messages and calls are sent; nil for nowhere.
    public var tracing: TracingSettings?
    public var cluster = ClusterSettings()
    public init() {}

    public enum Compression: Sendable, Equatable {
        case off
        /// Bodies of fewer bytes are not tried: it costs more than it saves.
        case above(Int)
        public static let on = above(256)
    }

    public struct RateLimit: Sendable, Equatable {
        public var limit: Int
        public var interval: Duration
        public init(_ limit: Int = 20, per interval: Duration = .seconds(1)) {
            precondition(limit > 0 && interval > .zero, "a rate needs a limit and an interval above zero")
            (self.limit, self.interval) = (limit, interval)
        }
    }

    /// What becomes of sessions when the app is told to stop. They are served meanwhile, and no new ones come.
    public struct SessionDrain: Sendable, Equatable {
        /// How long sessions, and those that modules count, may take to leave.
        public var limit = Duration.seconds(6 * 3600)
        /// How often it looks whether they have.
        public var period = Duration.seconds(5)
        /// The closing of those that have not left is spread over so long: all at once, they would all come back to
        /// another server at once.
        public var spread = Duration.seconds(10)
        public init() {}
    }

    /// How many handlers may be waiting for something at once. Plain handlers never wait and are not counted.
    public struct InFlight: Sendable {
        public var perSession = 64
        /// Of the whole server; each loop has its share.
        public var perServer = 10_000
        public var whenFull = WhenFull.waits
        public init() {}

        public enum WhenFull: Sendable, Equatable {
            /// The session is not read until there is room.
            case waits
            /// Requests are answered with `AppError.overloaded`, notifies dropped.
            case refuses(retryAfter: Duration)
        }
    }
}
