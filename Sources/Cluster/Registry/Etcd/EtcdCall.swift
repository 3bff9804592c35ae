import OmniwayTransport
import OmniwayWire

/// One question to a cluster: asked to one member after another as long as that does no harm, and again with another
/// token when the first is too old.
final class EtcdCall {
    private let driver: EtcdDriver
    private let request: EtcdRequest
    private let deadline: Moment
    private let done: (Result<JSON, RegistryError>) -> Void
    private var tried: [ObjectIdentifier] = []
    private var member: EtcdMember?
    private var hasRenewedToken = false
    private var token: String?
    private var status = HTTPStatus.ok
    private var body: [UInt8] = []

    init(
        _ request: EtcdRequest, to driver: EtcdDriver, before deadline: Moment,
        _ done: @escaping (Result<JSON, RegistryError>) -> Void
    ) {
        (self.request, self.driver, self.deadline, self.done) = (request, driver, deadline, done)
    }

    /// Asks the next member.
    func begin(after error: RegistryError? = nil) {
        guard let next = driver.member(except: tried) else {
            return done(.failure(error ?? RegistryError(.unavailable, "no member of etcd answers")))
        }
        tried.append(ObjectIdentifier(next))
        member = next
        send()
    }

    private func send() {
        driver.withToken(before: deadline) { [self] result in
            guard let member else { return }
            if driver.loop.now >= deadline { return done(.failure(.late)) }  // A write must not be done after all.
            switch result {
            case .failure(let error): done(.failure(error))
            case .success(let token):
                self.token = token
                body = []
                var limits = member.client.limits
                limits.whole = patience
                member.client.send(
                    EtcdMember.head(request, token), .bytes(request.body), limits: limits, to: self)
            }
        }
    }

    /// How long this member may take: one that does not answer leaves time for another, if that may be asked.
    private var patience: Duration {
        let left = max(deadline - driver.loop.now, .milliseconds(1))
        let mayAskMore = request.isRepeatable && tried.count < driver.memberCount
        return mayAskMore ? max(left / 2, min(left, .milliseconds(250))) : left
    }

    private func fail(_ error: RegistryError, mayAskOthers: Bool) {
        if let member { driver.hasFailed(member) }
        if mayAskOthers, driver.loop.now < deadline { begin(after: error) } else { done(.failure(error)) }
    }
}

extension EtcdCall: HTTPResponseHandler {
    func received(_ head: HTTPResponseHead, of call: HTTPCall) { status = head.status }

    func receive(_ bytes: RawSpan, of call: HTTPCall) { body += bytes.array(0..<bytes.byteCount) }

    func ended(_ call: HTTPCall) {
        do throws(RegistryError) {
            let answer = try EtcdAnswers.read(body)
            if status == .ok, answer["error"] == nil { return done(.success(answer)) }
            let failure = EtcdAnswers.failure(answer)
            if failure.wantsToken, !hasRenewedToken, token != nil {
                hasRenewedToken = true
                driver.forgetToken(token)
                send()
            } else if failure.isOfMember || request.isRepeatable && failure.error.code == .interrupted {
                fail(failure.error, mayAskOthers: true)
            } else {
                done(.failure(failure.error))
            }
        } catch { done(.failure(error)) }
    }

    func failed(_ call: HTTPCall, _ error: HTTPClientError) {
        let name = member?.name ?? "etcd"
        switch error {
        case .connectFailed(let reason):
            fail(RegistryError(.unavailable, "\(name): \(reason)"), mayAskOthers: true)
        case .connectionLost(let reason):
            fail(RegistryError(.interrupted, "\(name): \(reason)"), mayAskOthers: request.isRepeatable)
        case .noResponse, .quiet:
            fail(RegistryError(.timedOut, "\(name) has not answered in time"), mayAskOthers: request.isRepeatable)
        case .badResponse(.bodyTooLarge): done(.failure(RegistryError(.tooLarge, "the answer of \(name) is too large")))
        case .badResponse(let error): fail(RegistryError(.interrupted, "\(name): \(error)"), mayAskOthers: false)
        case .tooManyWaiting, .noRoom: done(.failure(RegistryError(.overloaded, "\(error)")))
        case .badRequest(let error): done(.failure(RegistryError(.invalid, "\(error)")))
        case .unexpectedSwitch: done(.failure(.unexpected("it answered")))
        case .cancelled, .closed: done(.failure(.closed))
        }
    }
}
