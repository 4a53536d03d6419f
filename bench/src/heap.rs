//! What is taken from the heap, by whomever in this process: `c/heap.c` counts.

mod c {
    unsafe extern "C" {
        pub safe fn heap_allocations() -> u64;
        pub safe fn heap_live() -> i64;
        pub safe fn heap_count(on: i32);
    }
}

/// Runs `work`; returns how many allocations it made, and how many bytes more it holds afterwards than before.
pub fn counted<R>(work: impl FnOnce() -> R) -> (R, u64, i64) {
    let (allocations, live) = (c::heap_allocations(), c::heap_live());
    c::heap_count(1);
    let result = work();
    c::heap_count(0);
    (result, c::heap_allocations() - allocations, c::heap_live() - live)
}

/// The counts would be worthless if the dynamic linker let libsv2.so take its memory elsewhere.
pub fn assert_everybody_is_counted() {
    let frame = crate::data::share();
    let (_, ours, _) = counted(|| crate::ours::Message::new(&frame));
    assert_eq!(ours, 2, "the C code's and the library's one allocation each");
    let (_, theirs, live) = counted(|| std::hint::black_box(vec![0_u8; 1000]));
    assert!(theirs == 1 && live >= 1000, "a vector's allocation");
}
