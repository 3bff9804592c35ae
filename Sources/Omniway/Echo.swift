/// Sends back what it receives. The smallest face there is, to see that a node lives.
final class Echo: LinkIntake, LinkHandler {
    private let idleLimit: Duration

    init(idleLimit: Duration) { self.idleLimit = idleLimit }

    func accept(_ link: Link) -> (any LinkHandler)? {
        link.idleLimit = idleLimit
        return self
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes, endOfMessage: endOfMessage)
        if link.isFull { link.holdBack(link) }  // Who does not read its echo is not read either.
        return bytes.byteCount
    }

    func finished(_ link: Link) { link.finish() }
}
