import BasicTypes
import CanonicalJSON
import OpenLineage
import TestBasics
import Testing

@Suite struct RunStateMergeTests {
  typealias Said = (report: RunStateMerge.Report, second: Int64)

  static func fold(_ reports: [Said]) -> JSONObject {
    var fields: JSONObject = ["status": "pending"]
    for (report, second) in reports {
      let set = RunStateMerge.merge(fields, report: report, at: Timestamp(microseconds: second * 1_000_000))
      for (key, value) in set { fields[key] = value.isNull ? nil : value }
    }
    return fields
  }

  @Test func `each report alone`() {
    let expected: [RunStateMerge.Report: JSON] = [
      .start: "running", .running: "running", .success: "success", .failed: "failed", .timeout: "timeout",
      .cancelled: "cancelled", .other: "pending",
    ]
    for report in RunStateMerge.Report.allCases {
      let fields = Self.fold([(report, 5)])
      #expect(fields["status"] == expected[report])
      #expect((fields["started_at"] != nil) == (report == .start))
    }
  }

  @Test func `among terminal reports of one time success comes first, then failed, timeout, cancelled`() {
    let order: [RunStateMerge.Report] = [.success, .failed, .timeout, .cancelled]
    for (rank, first) in order.enumerated() {
      for second in order[rank...] {
        #expect(Self.fold([(first, 5), (second, 5)])["status"] == .string(first.rawValue))
        #expect(Self.fold([(second, 5), (first, 5)])["status"] == .string(first.rawValue))
        #expect(Self.fold([(first, 5), (second, 6)])["status"] == .string(second.rawValue))
        #expect(Self.fold([(second, 6), (first, 5)])["status"] == .string(second.rawValue))
      }
    }
  }

  @Test func `a start after the end is taken in, and the earliest start counts`() {
    let fields = Self.fold([(.success, 9), (.start, 5), (.start, 3), (.start, 4), (.running, 20)])
    #expect(fields["status"] == "success")
    #expect(fields["started_at"] == "1970-01-01T00:00:03.000000Z")
    #expect(fields["duration_seconds"] == 6)
  }

  @Test func `a duration is never negative`() {
    #expect(Self.fold([(.start, 9), (.success, 5)])["duration_seconds"] == nil)
    #expect(Self.fold([(.start, 9), (.success, 5), (.success, 10)])["duration_seconds"] == 1)
    #expect(Self.fold([(.start, 9), (.success, 9)])["duration_seconds"] == 0)
  }

  @Test func `a report that tells nothing new sets nothing`() {
    let fields = Self.fold([(.start, 1), (.success, 2)])
    for (report, second) in [(.start, 1), (.success, 2), (.running, 3), (.other, 4), (.start, 2), (.failed, 2)]
      as [Said]
    {
      let at = Timestamp(microseconds: second * 1_000_000)
      #expect(RunStateMerge.merge(fields, report: report, at: at).isEmpty)
    }
  }

  @Test func `every order of any four reports ends in the same state`() {
    var generator = Seeded(seed: 7)
    for _ in 0..<2000 {
      let reports: [Said] = (0..<4).map { _ in
        (
          RunStateMerge.Report.allCases.randomElement(using: &generator) ?? .other,
          .random(in: 1...3, using: &generator)
        )
      }
      let expected = Self.fold(reports)
      #expect(Self.fold((reports + reports).shuffled(using: &generator)) == expected, "\(reports)")
    }
  }
}
