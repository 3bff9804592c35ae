import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// One message over a connection of its own, and the answer to it. The routes are tried in turn until one connects;
/// what was sent is not sent again, because nobody knows whether it was read.
final class ShortCall: LinkHandler {
    typealias Outcome = Result<PheromoneMessage?, MeshError>
    private let node: PeerNode
    private let message: [UInt8]
    private var routes: ArraySlice<ShortRoutes.Route>
    private var done: ((Outcome) -> Void)?
    private var reader: PheromoneReader
    private var link: Link?
    private var timer: TimerID?
    private var isSent = false
    private var lastFailure = "no route"

    init(
        _ node: PeerNode, _ message: [UInt8], over routes: [ShortRoutes.Route], _ done: @escaping (Outcome) -> Void
    ) {
        (self.node, self.message, self.routes, self.done) = (node, message, routes[...], done)
        reader = PheromoneReader(maxMessageSize: node.settings.maxMessageSize)
    }

    func start() {
        while let route = routes.popFirst() {
            guard let dialer = node.dialer(for: MeshRoute(name: route.name, address: route.address)) else {
                lastFailure = "'\(route.address)', which is no address"
                continue
            }
            link = dialer.dial(on: node.loop, deadline: node.settings.dialLimit, handler: self)
            if let link {
                link.limits.unread = node.settings.maxMessageSize + 1
                return
            }
            lastFailure = "\(route.address): the loop has no room for another link"
        }
        end(.failure(.unreachable(lastFailure)))
    }

    func opened(_ link: Link) {
        isSent = true
        link.write(message)
        node.counters.sent.add(1)
        timer = node.loop.after(node.settings.timeout * 3, self)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var start = 0
        do throws(PheromoneReader.Violation) {
            guard let range = try reader.next(in: bytes, at: &start) else { return start }
            node.counters.received.add(1)
            do throws(MeshError) {
                end(.success(try PheromoneMessage(bytes.extracting(range))))
            } catch { end(.failure(error)) }
        } catch { end(.failure(.malformedMessage("\(error)"))) }
        link.close(.done)
        return bytes.byteCount
    }

    func finished(_ link: Link) {
        end(reader.isWithinMessage ? .failure(.malformedMessage("it ends within a message")) : .success(nil))
        link.close(.finished)
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        lastFailure = "\(reason)"
        if isSent { end(.failure(.unreachable("\(reason)"))) } else if done != nil { start() }
    }

    private func end(_ outcome: Outcome) {
        if let timer { node.loop.cancel(timer) }
        timer = nil
        exchange(&done, with: nil)?(outcome)
    }
}

extension ShortCall: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        end(.failure(.timedOut("\(link?.traits.peer ?? .none)")))
        link?.close(.done)
    }
}
