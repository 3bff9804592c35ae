/// For protocols whose stream goes on over another link when this one is lost.
extension Link {
    /// Keeps what would be lost with this link below so many bytes: an eighth of them waits here, half are on their way
    /// below. The rest is for what the other end's system has confirmed and may still lose.
    public func limitUnconfirmed(to bytes: Int) {
        var limits = limits
        limits.high = min(limits.high, bytes / 8)
        limits.low = min(limits.low, bytes / 16)
        self.limits = limits
        driver.limitUnconfirmed(to: bytes / 2, for: self)
    }

    /// Delivers what has arrived below already, before the link is given up.
    public func drain() { if state == .open { driver.drain(self) } }
}

/// A driver that sits on another link.
protocol CarriedDriver: LinkDriver {
    var carrier: Link? { get }
}
