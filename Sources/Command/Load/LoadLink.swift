import Omniway

/// A connection whose server sends back what it gets. Each message begins with its number, so that one that is lost,
/// or comes twice, is seen.
final class LoadLink: LoadConnection {
    private var link: Link?
    /// Of the gateway, when there is one between.
    private var endpoint: GatewayEndpoint?
    private var dues: ArraySlice<Moment> = []
    private var message: [UInt8]
    private var nextNumber: UInt64 = 0
    // What has come of the next answer.
    private var position = 0
    private var number: UInt64 = 0
    private var wanted: UInt64 = 0

    override init(_ shard: LoadShard) {
        message = [UInt8](repeating: UInt8(ascii: "x"), count: shard.plan.size)
        super.init(shard)
    }

    override func connect() {
        (dues, nextNumber, position, number, wanted) = ([], 0, 0, 0, 0)
        if shard.plan.kind == .gateway {
            if shard.loop.start(Knocking(self)) == nil { lost("too much async work") }
        } else {
            dial(by: shard.plan.dialer)
        }
    }

    private func dial(by dialer: any Dialer) {
        link = dialer.dial(on: shard.loop, deadline: shard.plan.patience, handler: self)
        if link == nil { lost("too-many-links") }
    }

    /// Makes a client of the gateway, and dials the server through it.
    private final class Knocking: LoopTask {
        private let connection: LoadLink
        init(_ connection: LoadLink) { self.connection = connection }

        nonisolated(nonsending) func run() async {
            let plan = connection.shard.plan
            var configuration = EndpointConfiguration.client
            (configuration.dialect, configuration.reconnect) = (plan.dialect, nil)
            configuration.recvChanSize = max(1024, plan.inFlight)
            configuration.recvChanBytes = max(1 << 20, 2 * plan.inFlight * plan.size)
            (configuration.maxPacketSize, configuration.bufferSize) = (plan.size + 64 << 10, plan.size + 64)
            do {
                let endpoint = try await GatewayEndpoint(configuration, over: plan.dialer, on: connection.shard.home)
                connection.knocked(endpoint)
            } catch { connection.lost("\(error)") }
        }
    }

    private func knocked(_ endpoint: GatewayEndpoint) {
        guard phase == .connecting else { return endpoint.close() }
        self.endpoint = endpoint
        dial(by: endpoint.dialer(to: shard.plan.server))
    }

    override func send(due: Moment) -> Bool {
        guard let link, !link.isFull else { return false }
        message.begin(with: nextNumber)
        nextNumber += 1
        dues.append(due)
        link.write(message)
        return true
    }

    override func hangUp() {
        let (link, endpoint) = (link, endpoint)
        (self.link, self.endpoint) = (nil, nil)
        link?.close(.done)
        endpoint?.close()
    }

    override func look() {
        if let first = dues.first, shard.loop.now - first > shard.plan.patience, !shard.hasRate {
            giveUp("no answer")
        }
    }

    private func giveUp(_ what: String) {
        lost(what)
        hangUp()
    }
}

extension LoadLink: LinkHandler {
    func opened(_ link: Link) { if link === self.link { opened() } }

    func writable(_ link: Link) { fill() }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        guard link === self.link else { return bytes.byteCount }
        let now = shard.loop.clockTime
        var offset = 0
        while offset < bytes.byteCount {
            if position < 8 {
                number |= UInt64(bytes.byte(offset)) << (8 * UInt64(position))
                (position, offset) = (position + 1, offset + 1)
            } else {
                let count = min(message.count - position, bytes.byteCount - offset)
                (position, offset) = (position + count, offset + count)
            }
            if position < message.count { continue }
            guard number == wanted, let due = dues.popFirst() else {
                giveUp("wrong answer")
                return bytes.byteCount
            }
            (position, number, wanted) = (0, 0, wanted + 1)
            answered(due, at: now, bytes: message.count)
        }
        goOn()
        return bytes.byteCount
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        guard link === self.link else { return }
        lost(reason.name)
        hangUp()
    }
}
