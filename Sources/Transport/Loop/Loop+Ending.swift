/// How a loop lets go of everything.
extension Loop {
    /// Closes everything, lets what was written leave within `patience`, and lets go of all that lives here.
    func end(patience: Duration = .seconds(1)) {
        if isEnding { return }
        // Those above first: their last words go through the links that carry them.
        var highest: UInt8 = 0
        links.forEach { _, entry in highest = max(highest, entry.link.height) }
        for height in stride(from: Int(highest), through: 0, by: -1) {
            links.forEach { _, entry in if entry.link.height >= height { entry.link.close(.shutdown) } }
        }
        settle()
        let deadline = clock.now + patience
        while lingering > 0, poller != nil, clock.now < deadline {
            after(.milliseconds(10), nobody)  // The poller may have nothing to tell before the time is over.
            _ = poll(mayWait: true)
            settle()
        }
        isEnding = true
        for task in running.values.sorted(by: { $0.number < $1.number }) { task.cancel() }
        for start in exchange(&starts, with: []) { start.cancel() }
        (startCount, tasks) = (0, running.count)
        helperTickets.redeemAll()
        // Whoever sleeps on a timer wakes now, or would never.
        while let timer = timers.popDue(Moment(nanoseconds: .max), before: .max) {
            timer.target.timerFired(timer.token, on: self)
        }
        timersChanged()
        sources.forEach { _, entry in entry.source.loopEnds(self) }
        settle()
        for slot in mailSlots { slot?.close() }
        mailSlots = []
        observers = []
        named = []
        pipes.removeAll()
    }
}
