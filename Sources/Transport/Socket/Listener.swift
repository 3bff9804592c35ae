import CSystem
import Glibc
import OmniwayTelemetry

struct ListenerSettings: Sendable {
    let options: SocketOptions
    let queue: QueueLimits
    let limits: ConnectionLimits?
}

/// A listening socket of one loop.
final class Listener: PollSource {
    private static let acceptsPerTurn = 64
    private static let pause = Duration.milliseconds(100)

    private let settings: ListenerSettings
    private let intake: any LinkIntake
    private let hands: [Mailbox<DetachedLink>]
    private let address: SocketAddress
    private var nextHand = 0
    private var isOpen = true
    private var isOutOfDescriptors = false

    init(
        descriptor: Int32, address: SocketAddress, settings: ListenerSettings, intake: any LinkIntake,
        hands: [Mailbox<DetachedLink>]
    ) {
        self.address = address
        self.settings = settings
        self.intake = intake
        self.hands = hands
        super.init(descriptor: descriptor)
    }

    override func ready(_ readiness: Readiness, on loop: Loop) {
        guard isOpen else { return }
        for _ in 0..<Self.acceptsPerTurn {
            var descriptor: Int32 = -1
            let peer = unsafe SocketAddress.read { address, length in
                descriptor = unsafe csystem_accept(self.descriptor, address, length)
                return descriptor
            }
            guard let peer else {
                if errno == EAGAIN { return nobodyWaits() }
                if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) { return rest(loop, SystemError.last) }
                continue  // The peer gave up before it was accepted.
            }
            take(descriptor, peer, loop)
        }
    }

    /// Recovered is who has served everybody that waited; one accepted connection between two failures is not.
    private func nobodyWaits() {
        guard isOutOfDescriptors else { return }
        isOutOfDescriptors = false
        Log.shared.notice("accepting again", ["address": "\(address)"])
    }

    private func take(_ descriptor: Int32, _ peer: SocketAddress, _ loop: Loop) {
        var admission: Admission?
        switch settings.limits?.enter(peer) {
        case .success(let entered): admission = entered
        case .failure(let refusal):
            loop.counters.refusedConnection(refusal.reason)
            close(descriptor)
            return
        case nil: break
        }
        settings.options.apply(to: descriptor, family: address.family)
        let connection = DetachedLink(accepted: descriptor, peer: peer, admission: admission)
        nextHand = (nextHand + 1) % (hands.count + 1)
        if nextHand == 0 {
            loop.accept(connection, into: intake, limits: settings.queue)
        } else if !hands[nextHand - 1].post(connection) {
            loop.counters.refusedConnection(.tooManyLinks)
        }
    }

    /// Where another loop's listener puts the connections that it deals to `loop`.
    static func hand(on loop: Loop, _ intake: some LinkIntake, _ settings: ListenerSettings) -> Mailbox<DetachedLink> {
        loop.mailbox(limit: 4096) { [unowned loop] in loop.accept($0, into: intake, limits: settings.queue) }
    }

    /// Without a free descriptor the listener would be ready for ever. It rests, tries again, and says so once.
    private func rest(_ loop: Loop, _ error: SystemError) {
        if !isOutOfDescriptors {
            isOutOfDescriptors = true
            Log.shared.warning(
                "not accepting",
                [
                    "address": "\(address)", "error": "\(error)",
                    "try": "raise `ulimit -n`, or set a limit of connections",
                ])
        }
        loop.counters.refusedConnection(.tooManyLinks)
        watch([], loop)
        loop.after(Self.pause, self)
    }

    func start(_ loop: Loop) { if isOpen { watch(.read, loop) } }

    private func watch(_ interest: Readiness, _ loop: Loop) {
        do throws(SystemError) {
            try loop.change(self, to: interest)
        } catch {
            Log.shared.error("listener lost", ["address": "\(address)", "error": "\(error)"])
        }
    }

    func stop(_ loop: Loop) {
        guard isOpen else { return }
        isOpen = false
        loop.forget(self)
        ListeningSockets.shared.close(descriptor)
    }

    override func loopEnds(_ loop: Loop) { stop(loop) }
}

extension Listener: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard isOpen else { return }
        watch(.read, loop)
        ready(.read, on: loop)  // Nobody may be waiting any more, and the poller would not say so.
    }
}
