import BasicTypes
import CanonicalJSON
import MerkleTree

/// The one way a record is written: canonical JSON, members sorted, so that the stored bytes are the hashed bytes.
enum RecordEncoding {
  /// A body.
  struct Body {
    let bytes: [UInt8]
    /// By how many bytes it makes its resource's state longer, as near as what was set and what was there before tell.
    let growth: Int
    /// Where the fields that it sets stand in it; empty where it sets none.
    let set: Range<Int>
  }

  /// The body.
  /// - Parameters:
  ///   - drops: The bodies that it drops, with what stands in their place.
  ///   - clock: What the clock said, where the event's time is another one.
  static func body(of draft: EventDraft, drops: [BodyDrop] = [], salt: [UInt8], clock: String?) -> Body {
    var out: [UInt8] = []
    out.reserveCapacity(384)
    out.append(UInt8(ascii: "{"))
    if let clock { out.append(contentsOf: #""clock":"\#(clock)","#.utf8) }
    // What callers choose freely may name somebody, so it is where it can be taken away.
    if let correlation = draft.correlation {
      out.append(contentsOf: #""correlation":"#.utf8)
      JSONText.writeString(correlation, into: &out)
      out.append(UInt8(ascii: ","))
    }
    if !draft.data.isEmpty {
      out.append(contentsOf: #""data":"#.utf8)
      draft.data.writeCanonical(into: &out)
      out.append(UInt8(ascii: ","))
    }
    if !drops.isEmpty {
      out.append(contentsOf: #""drops":["#.utf8)
      for (index, drop) in drops.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        out.append(contentsOf: drop.entry)
      }
      out.append(contentsOf: "],".utf8)
    }
    if let origin = draft.origin {
      out.append(contentsOf: #""origin":"#.utf8)
      origin.writeCanonical(into: &out)
      out.append(UInt8(ascii: ","))
    }
    if let reason = draft.reason {
      out.append(contentsOf: #""reason":"#.utf8)
      reason.writeCanonical(into: &out)
      out.append(UInt8(ascii: ","))
    }
    out.append(contentsOf: #""salt":""#.utf8)
    out.append(contentsOf: Base64.encode(salt).utf8)
    out.append(UInt8(ascii: "\""))
    var growth = 0
    var set = 0..<0
    if !draft.set.isEmpty {
      out.append(contentsOf: #","set":"#.utf8)
      let start = out.count
      draft.set.writeCanonical(into: &out)
      set = start..<out.count
      growth += set.count
    }
    if !draft.was.isEmpty {
      out.append(contentsOf: #","was":"#.utf8)
      let start = out.count
      draft.was.writeCanonical(into: &out)
      growth -= out.count - start
    }
    out.append(UInt8(ascii: "}"))
    return Body(bytes: out, growth: growth, set: set)
  }

  static func header(
    of draft: EventDraft, at: String, bodyHash: Digest, position: UInt64, version: Int64
  ) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(448)
    func text(_ opening: StaticString, _ value: String) {
      opening.withUTF8Buffer { out.append(contentsOf: $0) }
      out.append(contentsOf: value.utf8)
      out.append(UInt8(ascii: "\""))
    }
    out.append(contentsOf: #"{"actor":"#.utf8)
    JSONText.writeString(draft.actor, into: &out)
    text(#","at":""#, at)
    text(#","body":""#, bodyHash.base64)
    if let causation = draft.causation { text(#","causation":""#, causation.text) }
    text(#","event":""#, draft.event)
    text(#","id":""#, draft.id.text)
    if let person = draft.onBehalfOf { text(#","on_behalf_of":""#, person.text) }
    if let organization = draft.organization { text(#","organization":""#, organization.text) }
    out.append(contentsOf: #","position":"#.utf8)
    JSONText.writeInteger(Int64(position), into: &out)
    text(#","resource":""#, draft.resource.text)
    text(#","schema":""#, draft.schema)
    out.append(contentsOf: #","version":"#.utf8)
    JSONText.writeInteger(version, into: &out)
    out.append(UInt8(ascii: "}"))
    return out
  }
}
