import Access
import CanonicalJSON
import Domain
import NIOCore
import Protocol
import Refusals

/// A line that is too large to be taken apart on an event loop.
struct LargeLine: Sendable {
  /// A call of it, and whether its parameters are large.
  typealias Part = (call: Call, isLarge: Bool)

  /// What it holds.
  enum Message: Sendable {
    case single(Part)
    case batch([Part])
  }

  let bytes: ByteBuffer
  /// For whom the connection speaks; nil for nobody.
  let principal: Principal?
  let methods: MethodTable

  /// Takes it apart; but not where its one call is a command that the caller may not give whatever it says.
  func message() -> Message {
    if let principal, let scan = LineScan(bytes), case .command(let command)? = methods[scan.method],
      let refusal = command.refusal(for: principal)
    {
      return .single((.refused(id: scan.id, refusal), false))
    }
    switch ClientMessage(line: bytes) {
    case .single(let call): return .single((call, true))
    case .batch(let calls): return .batch(calls.map { ($0, $0.isLarge) })
    }
  }
}

extension Call {
  /// Whether its parameters are large, looked at no longer than it takes to know.
  var isLarge: Bool {
    guard case .request(let request) = self else { return false }
    var room = LineWorkers.large
    return !JSON.object(request.params).fits(&room)
  }
}

extension JSON {
  /// Whether its text has about so many bytes at most, which are taken off.
  fileprivate func fits(_ room: inout Int) -> Bool {
    switch self {
    case .null, .bool, .integer, .number: room -= 4
    case .bigInteger(let text), .string(let text): room -= 3 + text.utf8.count
    case .array(let elements):
      room -= 2
      for element in elements where !element.fits(&room) { return false }
    case .object(let members):
      room -= 2
      for (name, value) in members {
        room -= 4 + name.utf8.count
        guard value.fits(&room) else { return false }
      }
    }
    return room >= 0
  }
}
