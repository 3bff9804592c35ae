import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// What a rule has moved here.
public struct TunnelTraffic: Sendable, Equatable {
    public var connections: UInt64 = 0
    /// Bytes from visitors, and to them.
    public var fromVisitors: UInt64 = 0
    public var toVisitors: UInt64 = 0

    public init(connections: UInt64 = 0, fromVisitors: UInt64 = 0, toVisitors: UInt64 = 0) {
        (self.connections, self.fromVisitors, self.toVisitors) = (connections, fromVisitors, toVisitors)
    }
}

/// Visitors of one node: those who wait for their targets, and those who have met them.
final class Transfers {
    fileprivate unowned let node: TunnelNode
    private var all: [String: Transfer] = [:]
    private var open: [String: Int] = [:]
    private var ended: [String: TunnelTraffic] = [:]
    private var paces: [String: RulePace] = [:]
    private var waiting = 0
    /// What the last target was told of its rule.
    private var lastTold: (rule: TunnelRule, text: String)?
    private let begun: Counter
    private let failed: Counter

    init(at node: TunnelNode) {
        self.node = node
        begun = node.loop.meters.counter("omniway_tunnel_transfers_total", "Visitors of rules.")
        failed = node.loop.meters.counter(
            "omniway_tunnel_failed_transfers_total", "Visitors who did not reach their targets.")
    }

    var count: Int { all.count }

    func traffic(of rule: String) -> TunnelTraffic {
        var sum = ended[rule] ?? TunnelTraffic()
        for transfer in all.values where transfer.rule.name == rule { sum.add(transfer) }
        return sum
    }

    // MARK: Beginning

    /// A visitor has come: asks for its target, and lets it wait meanwhile.
    func begin(_ wanted: TunnelRule, _ visitor: Link, heard: ((InvokeCode?) -> Void)? = nil) {
        begun.add(1)
        guard let rule = node.groups.choose(wanted) else {
            failed.add(1)
            heard?(.offline)
            return visitor.close(.connectFailed.with("no target of the group passes its health check"))
        }
        guard open[rule.name, default: 0] < rule.limits.connections, waiting < node.settings.waiting else {
            failed.add(1)
            heard?(.tooMany)
            return visitor.close(.tooManyLinks.with("the rule has as many connections as it may"))
        }
        guard node.ledger.admits(rule) else {
            failed.add(1)
            heard?(.tooMany)
            return visitor.close(.tooManyLinks.with("the rule has moved as much as it may in this month"))
        }
        // Nobody may guess it, since who says it meets the visitor.
        let id = Secret.text(24, of: Secret.letters)
        let transfer = Transfer(id, rule, visitor, of: self)
        transfer.heard = heard
        all[id] = transfer
        open[rule.name, default: 0] += 1
        waiting += 1
        transfer.wait(node.settings.transferPatience)
        ask(for: transfer)
    }

    private func ask(for transfer: Transfer) {
        let rule = transfer.rule
        var headers: InvokeHeaders = [
            "TransferId": transfer.id, "RelayNodeId": node.id, "ListenClientId": rule.listener,
        ]
        if rule.options.proxyHeader != nil { headers["VisitorAddr"] = transfer.visitor.traits.peer.description }
        if let invoker = node.sessions[rule.target]?.peer.invoker {
            do throws(InvokeFailure) {
                try invoker.send(TunnelNode.Path.targetOut, headers: headers, body: text(of: rule))
            } catch { transfer.fail(.offline, error.description) }
            return
        }
        guard let elsewhere = node.whereabouts(of: rule.target) else {
            return transfer.fail(.offline, "the target is offline")
        }
        node.links.send(
            TunnelNode.Path.targetOut, headers, text(of: rule), to: rule.target, at: elsewhere
        ) { [weak transfer] result in
            if case .failure(let failure) = result { transfer?.fail(.offline, failure.description) }
        }
    }

    /// Visitors of one rule come one after another, mostly.
    private func text(of rule: TunnelRule) -> String {
        if let lastTold, lastTold.rule == rule { return lastTold.text }
        let text = rule.shown.text
        lastTold = (rule, text)
        return text
    }

    func connections(of rule: String) -> Int { open[rule] ?? 0 }

    /// Whether a visitor waits for a target of this client.
    func isAwaited(_ client: String) -> Bool {
        waiting > 0 && all.values.contains { $0.isWaiting && $0.rule.target == client }
    }

    /// Another of the group takes the visitor; false when nobody is left.
    fileprivate func tryNext(_ transfer: Transfer) -> Bool {
        node.groups.failed(transfer.rule)
        guard let next = node.groups.choose(transfer.rule, tried: transfer.tried) else { return false }
        leave(transfer.rule)
        open[next.name, default: 0] += 1
        transfer.moves(to: next)
        transfer.wait(node.settings.transferPatience)
        ask(for: transfer)
        return true
    }

    private func leave(_ rule: TunnelRule) {
        open[rule.name, default: 1] -= 1
        if open[rule.name] == 0 { open[rule.name] = nil }
    }

    // MARK: Meeting

    /// The target's stream. Who is not the target learns nothing, and takes nothing away.
    func join(_ id: String, _ stream: Link, from client: String) {
        guard let transfer = all[id], transfer.rule.target == client,
            stream.traits.keepsMessages == transfer.rule.listenAddress.keepsMessages, transfer.join(stream)
        else {
            return stream.close(.unwanted.with("no such transfer"))
        }
        waiting -= 1
        node.groups.succeeded(transfer.rule)
        guard let rate = transfer.rule.limits.bandwidth else { return }
        let pace = paces[transfer.rule.name] ?? RulePace(rate, on: node.loop)
        paces = paces.filter { !$0.value.isUnused }
        paces[transfer.rule.name] = pace
        pace.rate = rate
        transfer.keep(pace)
    }

    /// The target says that it cannot.
    func fail(_ id: String, from client: String, _ code: InvokeCode, _ words: String) {
        if let transfer = all[id], transfer.rule.target == client { transfer.fail(code, words) }
    }

    /// The rule is gone, and with it what it let in.
    func end(_ rule: String) {
        for id in all.keys.sorted() where all[id]?.rule.name == rule { all[id]?.end() }
        ended[rule] = nil
    }

    /// The rule stays, and those who are there go.
    func breakOff(_ rule: String) {
        for id in all.keys.sorted() where all[id]?.rule.name == rule { all[id]?.end("its rule has moved enough") }
    }

    /// What was moved since the last time is the ledger's.
    func noteTraffic() { for transfer in all.values { node.ledger.note(transfer.takeNews(), of: transfer.rule) } }

    func over(_ transfer: Transfer) {
        guard all.removeValue(forKey: transfer.id) != nil else { return }
        let name = transfer.rule.name
        node.ledger.note(transfer.takeNews(), of: transfer.rule)
        paces[name]?.remove(transfer)
        leave(transfer.rule)
        if transfer.isWaiting {
            waiting -= 1
            failed.add(1)
        }
        let isThere = node.rules[transfer.rule.owner]?[transfer.rule.listenAddress] != nil
        if isThere { ended[name, default: TunnelTraffic()].add(transfer) }
    }
}

/// One visitor, from its coming to the end of both links.
final class Transfer: LinkHandler {
    let id: String
    private(set) var rule: TunnelRule
    /// Rules of a group that have been asked.
    private(set) var tried: [String]
    private weak var transfers: Transfers?
    let visitor: Link
    /// Told once how it went.
    var heard: ((InvokeCode?) -> Void)?
    private var relay: Relay?
    private var socks: SocksDoor?
    private var target: Link?
    /// What the visitor has said before anybody listened.
    private var early = EarlyBytes()
    private var timer: TimerID?
    private(set) var isWaiting = true

    init(_ id: String, _ rule: TunnelRule, _ visitor: Link, of transfers: Transfers) {
        (self.id, self.rule, self.visitor, self.transfers) = (id, rule, visitor, transfers)
        tried = [rule.name]
        visitor.handler = self
        visitor.relaysStream()
    }

    func moves(to rule: TunnelRule) {
        self.rule = rule
        tried.append(rule.name)
    }

    var fromVisitor: UInt64 { UInt64(early.taken) + (relay?.bytesFromA ?? 0) + (socks?.fromVisitor ?? 0) }
    var toVisitor: UInt64 { (relay?.bytesFromB ?? 0) + (socks?.toVisitor ?? 0) }
    /// Its visitor says here what it wants to reach.
    private var asksHere: Bool { rule.listenAddress.asks && rule.listener.isEmpty }

    func wait(_ patience: Duration) {
        stopTimer()
        timer = visitor.loop.after(patience, self)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        if asksHere {
            link.pauseReading()
            return 0
        }
        early.take(bytes, endOfMessage: endOfMessage, from: link)
        return bytes.byteCount
    }

    /// The other direction goes on.
    func finished(_ link: Link) {}

    func closed(_ link: Link, _ reason: CloseReason) { leave() }

    /// False when it is no more to be had.
    func join(_ stream: Link) -> Bool {
        guard isWaiting, !visitor.hasEnded else { return false }
        early.write(to: stream)
        stream.relaysStream()
        if asksHere, let node = transfers?.node {
            let login = rule.options.login != nil
            socks = SocksDoor(visitor, stream, login: login, ports: node.socksPorts) { [weak self] in self?.leave() }
        } else {
            do throws(RelayError) { relay = try Relay(visitor, stream, owner: self) } catch { return false }
        }
        // A pace must see what goes, which the kernel does not tell.
        if rule.options.isBulk, rule.limits.bandwidth == nil { relay?.splice() }
        stopTimer()
        isWaiting = false
        target = stream
        tell(nil)
        visitor.resumeReading()
        return true
    }

    /// The visitor hears that it did not work, and not that there was nothing.
    func fail(_ code: InvokeCode, _ words: String) {
        guard isWaiting else { return }
        if let transfers, transfers.tryNext(self) { return }
        tell(code)
        let reason = CloseReason.connectFailed.with("\(words) (code \(code))")
        if visitor.traits.keepsMessages { _ = DeafFlow(visitor, reason) } else { visitor.close(reason) }
        leave()
    }

    private func tell(_ code: InvokeCode?) { exchange(&heard, with: nil)?(code) }

    func end(_ why: String = "its rule is gone") {
        visitor.close(.reset.with(why))
        target?.close(.reset.with(why))
    }

    /// What nobody has taken yet.
    func takeNews() -> TunnelTraffic {
        let now = TunnelTraffic(connections: 1, fromVisitors: fromVisitor, toVisitors: toVisitor)
        var news = now
        news.subtract(exchange(&told, with: now))
        return news
    }
    private var told = TunnelTraffic()

    func keep(_ pace: RulePace) {
        relay?.moved = { pace.take($0) }
        socks?.moved = { pace.take($0) }
        pace.add(self)
        pace.take(early.taken)
    }

    func pause() {
        visitor.pauseReading()
        target?.pauseReading()
    }

    func resume() {
        visitor.resumeReading()
        target?.resumeReading()
    }

    private func leave() {
        stopTimer()
        transfers?.over(self)
        isWaiting = false
    }

    private func stopTimer() { if let timer = exchange(&timer, with: nil) { visitor.loop.cancel(timer) } }
}

extension Transfer: RelayOwner {
    func relayEnded(_ relay: Relay, _ reason: CloseReason) { leave() }
}

extension Transfer: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        fail(.unreachable, "the target's client did not come in time")
    }
}

extension TunnelTraffic {
    mutating func add(_ transfer: Transfer) {
        connections += 1
        fromVisitors += transfer.fromVisitor
        toVisitors += transfer.toVisitor
    }
}

extension TunnelNode {
    func addTransferRoutes() {
        routes.oneWay(Path.fail) { [weak self] request, invoker in
            guard let self, let caller = invoker.attachment as? NodeCaller, let session = caller.session else { return }
            let words = String((request.headers["Message"] ?? "").prefix(200))
            transfers.failed(request.headers["TransferId"] ?? "", request, session.client, words)
        }
    }

    /// What a rule has moved at this node, by the rule's name.
    public func traffic(of rule: String) -> TunnelTraffic { transfers.traffic(of: rule) }
    /// Visitors who wait, or have met their targets.
    public var transferCount: Int { transfers.count }

    /// The node where a client is, if it is another one.
    func whereabouts(of client: String) -> String? {
        guard let entry = online?[TunnelKey.online(client)],
            let node = try? MemberReader(entry.value.text).text("nodeId"), node != id, node.isTunnelID
        else { return nil }
        return node
    }
}

extension Transfers {
    /// A target cannot: the visitor is here, or at the node that asked.
    func failed(_ id: String, _ request: InvokeRequest, _ client: String, _ words: String) {
        let rendezvous = request.headers["RelayNodeId"] ?? ""
        let code = request.headers["Code"] ?? ""
        guard !rendezvous.isEmpty, rendezvous != node.id else {
            return fail(id, from: client, InvokeCode(ofFailure: code), words)
        }
        let headers: InvokeHeaders = ["TransferId": id, "Code": code, "Message": words]
        node.links.send(TunnelNode.Path.fail, headers, "", to: client, at: rendezvous) { result in
            if case .failure(let failure) = result {
                Log.shared.info("a failure was not passed on", ["node": rendezvous, "error": "\(failure)"])
            }
        }
    }
}

extension InvokeCode {
    /// What a peer gave as a reason; it is none that means success.
    init(ofFailure text: String) {
        let code = InvokeCode(Int(text) ?? 0)
        self = [.failed, .forbidden, .offline, .targetFailed].contains(code) ? code : .unreachable
    }
}
