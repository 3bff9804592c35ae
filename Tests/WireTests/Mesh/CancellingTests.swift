import OmniwayTesting
import Testing

@testable import OmniwayWire

/// Requests that nobody waits for any more, in meshes on virtual time.
@Suite(.timeLimit(.minutes(1))) struct CancellingTests {
    private final class Service {
        var requests: [MeshRequest] = []
        var abandoned: [UInt64] = []
        var answers: [Result<[UInt8], MeshFailure>] = []
    }

    /// Nodes of which the last one answers later.
    private func mesh(_ service: Service, _ change: (inout Overlay.Settings) -> Void = { _ in }) -> SimulatedMesh {
        var settings = SimulatedMesh.unsigned
        change(&settings)
        let mesh = SimulatedMesh(seed: 5, settings)
        mesh.answering = { _, request in
            service.requests.append(request)
            return .later
        }
        mesh.told = { node, event in
            if case .abandoned(let number, let source) = event {
                #expect(source == service.requests.last?.source)
                service.abandoned.append(number)
            }
        }
        mesh.join(4)
        mesh.run(for: .seconds(10))
        return mesh
    }

    @Test func `a request that is cancelled is abandoned where it was asked, and never sent again`() throws {
        let service = Service()
        let mesh = mesh(service)
        let number = try #require(
            mesh.request(from: 0, to: 3, "slow", within: .seconds(300)) { service.answers.append($0) })
        mesh.run(for: .seconds(1))
        mesh.cancel(number, at: 0)
        #expect(service.answers == [.failure(.cancelled)])
        mesh.run(for: .seconds(1))
        #expect(service.abandoned == service.requests.map(\.number))
        let sent = mesh.node(0).overlay.counts.sentAgain
        mesh.answer(service.requests[0], at: 3, with: .bytes([1]))
        mesh.run(for: .seconds(20))
        #expect(service.requests.count == 1)
        #expect(service.answers.count == 1, "an answer that comes after all is nobody's")
        #expect(mesh.node(0).overlay.counts.sentAgain == sent)
    }

    @Test func `a request whose deadline has passed is abandoned, and leaves room for others`() {
        let service = Service()
        let mesh = mesh(service) { $0.mostUnderWay = 2 }
        for _ in 0..<2 { mesh.request(from: 0, to: 3, "slow", within: .seconds(3)) { service.answers.append($0) } }
        mesh.run(for: .seconds(1))
        mesh.request(from: 1, to: 3, "slow", within: .seconds(1)) { service.answers.append($0) }
        mesh.run(for: .seconds(1))
        #expect(service.answers == [.failure(.refused(.overloaded, ""))])
        mesh.run(for: .seconds(4))
        #expect(service.answers.suffix(2) == [.failure(.timedOut), .failure(.timedOut)])
        #expect(service.abandoned == service.requests.map(\.number).sorted())
        mesh.request(from: 0, to: 3, "slow", within: .seconds(3)) { service.answers.append($0) }
        mesh.run(for: .seconds(1))
        #expect(service.requests.count == 3)
    }

    @Test func `a request that comes after its own end is not begun`() {
        let service = Service()
        let mesh = mesh(service)
        func packet(_ kind: MeshPacket.Kind, _ sequence: UInt64, from source: Int) -> Overlay.Event {
            let packet = MeshPacket(
                source: mesh.id(source), epoch: 1, sequence: sequence, destination: mesh.id(3), destinationEpoch: 1,
                hops: 3, kind: kind)
            return .received(.packet(packet), from: mesh.id(source))
        }
        let request = MeshPacket.Kind.request(method: "slow", [], deadline: .seconds(9))
        mesh.happen(3, packet(.cancelled(900), 901, from: 0))
        mesh.happen(3, packet(request, 900, from: 0))
        mesh.happen(3, packet(.request(method: "slow", [], deadline: .zero), 902, from: 0))
        mesh.run(for: .seconds(1))
        #expect(service.requests.isEmpty)
        mesh.happen(3, packet(request, 903, from: 0))
        mesh.run(for: .seconds(1))
        mesh.happen(3, packet(.cancelled(903), 904, from: 1))
        #expect(service.requests.count == 1)
        #expect(service.abandoned.isEmpty, "nobody cancels what another has asked")
    }
}
