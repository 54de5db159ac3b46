import BasicTypes
import NIOConcurrencyHelpers
import Testing

@testable import EventLog

/// The time of a story that is told.
@Suite struct StoryClockTests {
  private static func time(_ seconds: Int64) -> Timestamp { Timestamp(microseconds: seconds * 1_000_000) }

  @Test func `a stretch is told evenly, stands at its end, and is followed by the next`() {
    let passed = NIOLockedValueBox<Int64>(0)
    let story = StoryClock { passed.withLockedValue { $0 } }
    #expect(story.now == nil)
    story.tell(.init(from: Self.time(1000), to: Self.time(2000), duration: 10_000_000))
    #expect(story.now == Self.time(1000))
    passed.withLockedValue { $0 = 2_500_000 }
    #expect(story.now == Self.time(1250))
    passed.withLockedValue { $0 = 10_000_000 }
    #expect(story.now == Self.time(2000))
    passed.withLockedValue { $0 = 90_000_000 }
    #expect(story.now == Self.time(2000))
    story.tell(.init(from: Self.time(3000), to: Self.time(3000), duration: 0))
    #expect(story.now == Self.time(3000))
    story.tell(nil)
    #expect(story.now == nil)
  }

  @Test func `no stretch goes backwards`() {
    let stretch = StoryClock.Stretch(from: Self.time(10), to: Self.time(5), duration: -1)
    #expect(stretch.to == Self.time(10) && stretch.duration == 0)
  }
}
