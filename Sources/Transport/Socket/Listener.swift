import CSystem
import Glibc
import OmniwayTelemetry

struct ListenerSettings: Sendable {
    let options: SocketOptions
    let queue: QueueLimits
    let limits: ConnectionLimits?
}

/// A connection on its way to the loop that was chosen for it. The number is owned by whoever holds it.
struct HandedSocket: Sendable {
    let descriptor: Int32
    let peer: SocketAddress
}

/// A listening socket of one loop.
final class Listener: PollSource {
    private static let acceptsPerTurn = 64
    private static let pause = Duration.milliseconds(100)

    private let settings: ListenerSettings
    private let intake: any LinkIntake
    private let hands: [Mailbox<HandedSocket>]
    private let address: SocketAddress
    private var nextHand = 0
    private var isOpen = true
    private var isOutOfDescriptors = false

    init(
        descriptor: Int32, address: SocketAddress, settings: ListenerSettings, intake: any LinkIntake,
        hands: [Mailbox<HandedSocket>]
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
        if let refusal = settings.limits?.enter(peer.host) {
            loop.counters.refusedConnection(refusal)
            close(descriptor)
            return
        }
        settings.options.apply(to: descriptor, family: address.family)
        let socket = HandedSocket(descriptor: descriptor, peer: peer)
        nextHand = (nextHand + 1) % (hands.count + 1)
        if nextHand == 0 {
            Self.give(socket, to: intake, on: loop, settings)
        } else if !hands[nextHand - 1].post(socket) {
            loop.counters.refusedConnection(.tooManyLinks)
            close(descriptor)
            settings.limits?.leave(peer.host)
        }
    }

    private static func give(
        _ socket: HandedSocket, to intake: any LinkIntake, on loop: Loop, _ settings: ListenerSettings
    ) {
        let driver = SocketDriver(descriptor: socket.descriptor, limits: settings.limits, host: socket.peer.host)
        loop.accept(driver, peer: socket.peer, into: intake, limits: settings.queue)
    }

    /// Where another loop's listener puts the connections that it deals to `loop`.
    static func hand(on loop: Loop, _ intake: some LinkIntake, _ settings: ListenerSettings) -> Mailbox<HandedSocket> {
        loop.mailbox(limit: 4096) { socket in give(socket, to: intake, on: loop, settings) }
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
        close(descriptor)
        if case .unix(let path) = address, !path.hasPrefix("@") { _ = unsafe unlink(path) }
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
