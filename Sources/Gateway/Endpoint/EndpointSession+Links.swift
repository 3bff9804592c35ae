public import OmniwayTransport
public import OmniwayWire

/// The virtual links of an endpoint.
extension EndpointSession {
    /// A connecting link to somebody at the other side of the gateway, at once. While there is no gateway it waits for
    /// one, as long as the deadline allows. Nil when the loop has no room for another link.
    public func dial(_ remote: EndpointID, deadline: Duration = .seconds(10), handler: any LinkHandler) -> Link? {
        guard let driver = add(remote), let link = link(of: driver, handler) else { return nil }
        guard !hasEnded else {
            link.close(.gatewayLost.with("the endpoint has ended"))
            return link
        }
        link.connect(within: deadline)
        start()
        if isOpen {
            ask(for: driver)
        } else if waiting.count < configuration.mostDials {
            waiting.append(driver.tag)
        } else {
            link.close(.tooManyLinks.with("\(waiting.count) dials wait already"))
        }
        return link
    }

    func ask(for driver: VirtualDriver) {
        if let question = dialogue.dial(driver.remote, for: driver.tag) {
            say(question)
        } else {
            driver.link?.close(.tooManyLinks.with("\(dialogue.dialCount) dials wait already"))
        }
    }

    func opened(_ tag: Int, as id: ConnectionID) {
        guard let driver = driver(tag), let link = driver.link else { return }
        driver.connection = id
        link.opened()
    }

    func refused(_ tag: Int) {
        guard let driver = driver(tag) else { return }
        driver.end(.dialRefused.with("the gateway gives no connection to \(driver.remote)"))
    }

    /// Somebody has dialled this endpoint.
    func accept(_ id: ConnectionID, from remote: EndpointID) {
        guard let intake, let driver = add(remote) else { return say(.close(id)) }
        driver.connection = id
        guard let link = link(of: driver, nobody) else { return say(.close(id)) }
        dialogue.keep(id, as: driver.tag)
        guard let handler = intake.accept(link) else { return link.close(.refused) }
        link.handler = handler
        link.opened()
    }

    // MARK: For drivers

    func driver(_ tag: Int) -> VirtualDriver? { drivers.indices.contains(tag) ? drivers[tag] : nil }

    func finish(_ driver: VirtualDriver) {
        if isOpen(driver), let farewell = dialogue.finish(driver.connection) { say(farewell) }
    }

    func close(_ driver: VirtualDriver) {
        if driver.connection == 0 {
            dialogue.giveUp(driver.tag)
        } else if isOpen(driver), let farewell = dialogue.close(driver.connection) {
            say(farewell)
        }
        forget(driver)
    }

    /// Another gateway may have given its number to another connection since.
    private func isOpen(_ driver: VirtualDriver) -> Bool { dialogue.tag(of: driver.connection) == driver.tag }

    func forget(_ driver: VirtualDriver) {
        guard drivers[driver.tag] === driver else { return }
        drivers[driver.tag] = nil
        if driver.connection == 0 { waiting.removeAll { $0 == driver.tag } }
        freeTags.append(driver.tag)
        closeIfRetired()
    }

    private func add(_ remote: EndpointID) -> VirtualDriver? {
        let tag = freeTags.popLast() ?? drivers.count
        let driver = VirtualDriver(self, remote, tag: tag)
        if tag == drivers.count { drivers.append(driver) } else { drivers[tag] = driver }
        return driver
    }

    private func link(of driver: VirtualDriver, _ handler: any LinkHandler) -> Link? {
        let link = Link(
            on: loop, traits: VirtualDriver.traits, limits: configuration.virtualQueue,
            height: (carrier?.height ?? 0) + 1, driver: driver, handler: handler)
        if let link { driver.meet(link) } else { forget(driver) }
        return link
    }

    // MARK: Room in the physical link

    func stalls(_ driver: VirtualDriver) {
        guard !driver.isStalled, let link = driver.link else { return }
        driver.isStalled = true
        stalled.append(link.id)
    }

    /// Links that wait go on in turn, and a few at a time: each may fill the physical link again.
    func wakeStalled() {
        guard let carrier, !carrier.isFull, !stalled.isEmpty else { return }
        let batch = stalled.prefix(Self.wakeBatch)
        stalled.removeFirst(batch.count)
        for id in batch {
            guard let link = loop.link(id) else { continue }
            link.driver(as: VirtualDriver.self)?.isStalled = false
            link.sendable()
        }
        if !stalled.isEmpty { set(.wake, after: .zero) }
    }
    private static var wakeBatch: Int { 64 }
}

/// The handler of a link until the intake has given it one.
final class Nobody: LinkHandler {
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}
