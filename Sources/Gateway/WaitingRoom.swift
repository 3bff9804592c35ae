import OmniwayTransport
import OmniwayWire

/// Where somebody waits while the application's hook decides. Nothing of it is read meanwhile.
final class WaitingRoom: GatewayHandler, LoopTask, TimerTarget {
    private let link: Link
    private let side: GatewaySide
    private let server: EndpointID?
    private let dialect: GatewayDialect
    let shard: GatewayShard
    private let admission: any GatewayAdmission
    private var started: StartedTask?
    private var deadline: TimerID?

    init(
        _ link: Link, _ side: GatewaySide, _ server: EndpointID?, _ dialect: GatewayDialect, _ shard: GatewayShard,
        _ admission: any GatewayAdmission
    ) {
        (self.link, self.side, self.server, self.dialect) = (link, side, server, dialect)
        (self.shard, self.admission) = (shard, admission)
    }

    func opened(_ link: Link) { ask() }

    func ask() {
        link.pauseReading()
        started = shard.loop.start(self)
        deadline = shard.loop.after(shard.settings.loginTimeout, self)
        if started == nil { link.close(.refused.with("too many newcomers wait for the admission hook")) }
    }

    nonisolated(nonsending) func run() async {
        let newcomer = GatewayNewcomer(side: side, server: server, address: link.traits.peer, tls: link.tls)
        let isWelcome = await admission.admit(newcomer)
        started = nil
        stop()
        guard link.state == .open else { return }
        guard isWelcome else { return link.close(.notAdmitted) }
        if let peer = shard.join(link, side, server, dialect) { peer.opened(link) }
        link.resumeReading()
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }

    func timerFired(_ token: UInt64, on loop: Loop) {
        link.close(.loginTimeout.with("the admission hook has not answered within \(shard.settings.loginTimeout)"))
    }

    private func stop() {
        if let deadline { shard.loop.cancel(deadline) }
        deadline = nil
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        stop()
        started?.cancel()
        shard.ended(link, side, server, reason)
    }
}
