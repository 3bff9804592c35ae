// A shop as a handler of a mesh, tried out on virtual time: customers buy from it over a network that loses, repeats
// and disorders, while it cannot reach some of them and others crash. Prints what was sold, and whether a seed repeats
// the run.
import Omniway
import OmniwayTesting

/// The application. Its `answer` is what a `MeshNode` would be given.
final class Shop {
    private(set) var stock = 20
    private(set) var buyers: Set<NodeID> = []

    func answer(_ request: MeshRequest) -> MeshReply {
        guard request.method == "buy" else { return .unknownMethod }
        guard stock > 0 else { return .failed("sold out") }
        stock -= 1
        buyers.insert(request.source)
        return .bytes([UInt8(stock)])
    }
}

struct Outcome: Equatable {
    var sold = 0
    var soldOut = 0
    var unknown = 0
    var stock = 0
    var news = 0
    var trace: UInt64 = 0
}

/// One run: node 0 is the shop, all others want one piece each.
func run(_ seed: UInt64) -> Outcome {
    let mesh = SimulatedMesh(seed: seed)
    let shop = Shop()
    var outcome = Outcome()
    mesh.answering = { node, request in node == 0 ? shop.answer(request) : .unknownMethod }
    mesh.told = { _, event in if case .broadcast = event { outcome.news += 1 } }
    mesh.join(31)
    mesh.run(for: .seconds(20))

    mesh.network.loss = 0.1
    mesh.network.duplication = 0.3
    mesh.network.disorder = .milliseconds(100)
    mesh.blocks = { from, to in from == 0 && to > 25 }  // They reach the shop, and it does not reach them.
    for node in 1...30 {
        mesh.request(from: node, to: 0, "buy") { result in
            switch result {
            case .success: outcome.sold += 1
            case .failure(.refused(.failed, _)): outcome.soldOut += 1
            case .failure: outcome.unknown += 1
            }
        }
        mesh.run(for: .milliseconds(50))
    }
    mesh.run(for: .seconds(1))
    mesh.blocks = nil
    mesh.crash([7, 8])
    mesh.broadcast(from: 0, Array("we are closing".utf8))
    mesh.run(for: .seconds(20))
    (outcome.stock, outcome.trace) = (shop.stock, mesh.trace)
    return outcome
}

let outcome = run(7)
print("\(outcome.sold) sold, \(outcome.soldOut) came too late, \(outcome.unknown) do not know; \(outcome.stock) left")
print("\(outcome.news) heard that the shop closes")
print(run(7) == outcome ? "the same seed gives the same run" : "the run cannot be repeated")
