public import OmniwayWire

/// snet for links that are accepted: streams that outlive their connections. A client whose connection was cut goes on
/// with the same stream on another one, and no byte is lost or comes twice. Copies share their streams.
///
/// It is for compatibility, and protects nothing: nobody proves who they are, and the encryption is RC4 with a key of
/// 64 bits. Put it over TLS where that matters.
public struct SnetServer: Sendable {
    let settings: SnetSettings
    let streams: SnetStreams
    public var handshakes: HandshakeLimits
    /// By which the next process finds the streams of this one, while this one goes on with them; nil when there will
    /// be none. Servers of one process have different names.
    public var name: String?
    var returns = SnetReturns.shared

    /// Both sides must use the same dialect and agree about encryption. `ring` bytes are kept to be sent again; with 0
    /// only a stream of which nothing was lost is resumed. A stream whose connection is gone ends after `waitLimit`.
    /// There are `most` streams at most, of which `mostWaiting` are without a connection.
    public init(
        dialect: SnetDialect = .b, encrypts: Bool = false, ring: Int = 64 << 10, waitLimit: Duration = .seconds(60),
        most: Int = 100_000, mostWaiting: Int = 10_000, handshakes: HandshakeLimits = HandshakeLimits()
    ) {
        settings = SnetSettings(dialect: dialect, encrypts: encrypts, ring: ring, waitLimit: waitLimit)
        streams = SnetStreams(most: most, mostWaiting: mostWaiting)
        self.handshakes = handshakes
    }

    /// Streams that have not ended, and how many of them have no connection now.
    public var streamCount: Int { streams.count }
    public var waitingCount: Int { streams.waitingCount }

    /// Streams over the links of `acceptor`. The intake is asked once for each stream, when its handshake is done.
    public func over(_ acceptor: some Acceptor) -> some Acceptor {
        returns.add(self)
        return SnetAcceptor(server: self, inner: acceptor)
    }
}

/// The same for links that are dialled. A cut connection is dialled again until the wait limit is over.
public struct SnetClient: Sendable {
    let settings: SnetSettings

    public init(
        dialect: SnetDialect = .b, encrypts: Bool = false, ring: Int = 64 << 10, waitLimit: Duration = .seconds(60)
    ) {
        settings = SnetSettings(dialect: dialect, encrypts: encrypts, ring: ring, waitLimit: waitLimit)
    }

    /// Streams over the links that `dialer` gives. The deadline is for the first connection and its handshake.
    public func over(_ dialer: some Dialer) -> some Dialer { SnetDialer(client: self, inner: dialer) }
}

/// What both sides of a stream must agree about, and how long this one waits.
struct SnetSettings: Sendable {
    let dialect: SnetDialect
    let encrypts: Bool
    let ring: Int
    let waitLimit: Duration

    init(dialect: SnetDialect, encrypts: Bool, ring: Int, waitLimit: Duration) {
        precondition((0...QueueLimits.largest).contains(ring), "a ring of 0 to \(QueueLimits.largest) bytes")
        precondition(waitLimit > .zero, "a wait limit above zero")
        (self.dialect, self.encrypts, self.ring, self.waitLimit) = (dialect, encrypts, ring, waitLimit)
    }
}

/// How a stream is doing, for the handlers above it.
public struct SnetStatus {
    fileprivate let driver: SnetDriver

    /// The number that the accepting side has given the stream; 0 before its handshake.
    public var id: UInt64 { driver.stream?.id ?? 0 }
    /// There is a connection below now. Without one, what is written waits.
    public var isConnected: Bool { driver.carrier != nil }
    /// How often the stream has gone on over another connection.
    public var resumes: Int { driver.resumes }
    /// Gives up the present connection, because it seems dead: the dialling side gets another one at once.
    public func reconnect() { driver.reconnect() }
}

extension Link {
    /// How the stream is doing that this link is, or sits on; nil if there is none.
    public var snet: SnetStatus? {
        var link: Link? = self
        while let driver = link?.driver as? any CarriedDriver {
            if let driver = driver as? SnetDriver { return SnetStatus(driver: driver) }
            link = driver.carrier
        }
        return nil
    }
}

extension CloseReason {
    /// A stream had no connection for as long as its wait limit.
    public static let notResumed = CloseReason("not-resumed", sendsTheRest: false)
    /// A stream cannot go on: one side does not know it any more, or too much was lost.
    public static let resumeRefused = CloseReason("resume-refused")
    /// A connection whose stream goes on over another one.
    public static let carrierReplaced = CloseReason("carrier-replaced", sendsTheRest: false)
}
