/// A call that is made until it has succeeded, as workers of the original write it down.
package struct ReliableJob: Sendable, Equatable {
    /// How often it is tried again, and after how long, in seconds.
    package struct Retry: Sendable, Equatable {
        package var isOn: Bool
        package var most, exponent, minDelay, maxDelay, maxRandom: Int

        package init(isOn: Bool, most: Int, exponent: Int, minDelay: Int, maxDelay: Int, maxRandom: Int) {
            (self.isOn, self.most, self.exponent) = (isOn, most, exponent)
            (self.minDelay, self.maxDelay, self.maxRandom) = (minDelay, maxDelay, maxRandom)
        }
    }

    /// With those that only others know.
    private var fields: JSON.Object
    package let id: String
    package let route: String
    package let metadata: JSON.Object
    package let argument: JSON

    package init(
        id: String, route: String, metadata: JSON.Object, argument: JSON, retry: Retry, at seconds: Double
    ) {
        (self.id, self.route, self.metadata, self.argument) = (id, route, metadata, argument)
        fields = [
            "queue": .string(Self.queue), "class": .string(""),
            "args": .object([
                "Route": .string(route), "Metadata": .object(metadata.sortedByKeys), "Arg": argument,
                "Reply": .object([:]),
            ]),
            "jid": .string(id), "enqueued_at": .number(JSON.Number(seconds)), "retry": .bool(retry.isOn),
            "retry_max": JSON(retry.most),
            "retry_options": .object([
                "exp": JSON(retry.exponent), "min_delay": JSON(retry.minDelay), "max_delay": JSON(retry.maxDelay),
                "max_rand": JSON(retry.maxRandom),
            ]),
        ]
    }
    package static let queue = "rpc"

    package init(_ bytes: [UInt8]) throws(Fault) {
        do {
            fields = try JSON.Reader.go.read(bytes).object()
            guard let id = try fields["jid"]?.string(), let args = try fields["args"]?.object(),
                let route = try args["Route"]?.string()
            else { throw Fault(words: "it has no jid, or no args with a Route") }
            (self.id, self.route, argument) = (id, route, args["Arg"] ?? .null)
            if case .object(let metadata)? = args["Metadata"] { self.metadata = metadata } else { metadata = [:] }
        } catch let fault as Fault {
            throw fault
        } catch { throw Fault(words: "\(error)") }
    }

    package struct Fault: Error, Equatable, CustomStringConvertible {
        let words: String
        package var description: String { "that is no job of a worker: \(words)" }
    }

    package var json: [UInt8] { JSON.Writer(escaping: .go).bytes(of: .object(fields)) }

    /// How often it has failed, less one; nil when it has not.
    package var retryCount: Int? { fields["retry_count"].flatMap { try? $0.int(in: 0...1 << 30) } }

    /// It has failed, at a time such as `2006-01-02 15:04:05 UTC`. After how many seconds it is to be tried again; nil
    /// when that was the last time.
    package mutating func fail(_ words: String, at time: String, chance: UInt64) -> Int? {
        let retry = retry
        let count = retryCount.map { $0 + 1 } ?? 0
        fields["error_message"] = .string(words)
        guard retry.isOn, retryCount ?? 0 < retry.most else { return nil }
        fields[retryCount == nil ? "failed_at" : "retried_at"] = .string(time)
        fields["retry_count"] = JSON(count)
        var power = 1
        for _ in 0..<retry.exponent where power < retry.maxDelay { power *= count }
        let random = retry.maxRandom == 0 ? 0 : Int(chance % UInt64(retry.maxRandom)) * (count + 1)
        return max(0, min(power + retry.minDelay + random, retry.maxDelay))
    }

    /// Numbers that somebody else has chosen are brought to where nothing overflows.
    private var retry: Retry {
        var options: JSON.Object = [:]
        if case .object(let some)? = fields["retry_options"] { options = some }
        func number(_ object: JSON.Object, _ key: String, _ standard: Int, _ most: Int) -> Int {
            min(max(0, (try? object[key]?.int()) ?? standard), most)
        }
        return Retry(
            isOn: fields["retry"] == .bool(true), most: number(fields, "retry_max", 2, 1 << 20),
            exponent: number(options, "exp", 5, 64), minDelay: number(options, "min_delay", 10, 1 << 30),
            maxDelay: number(options, "max_delay", 10, 1 << 30), maxRandom: number(options, "max_rand", 0, 1 << 20))
    }
}
