//! Key bytes in memory that is not swapped out.

use std::hint::black_box;

use zeroize::Zeroize;

/// The two keys that a data key leaves behind, alone on a page of memory that is locked where the system
/// allows it: the kernel does not write it to swap. They are overwritten before the page is given back.
///
/// One page a key makes locking simple (locks of one page do not nest) at the price of 4 KiB a key. Where
/// pages are larger than 4 KiB, two keys share one, and dropping either unlocks both.
pub(crate) struct LockedKeys {
    lock: Option<region::LockGuard>,
    page: Box<Page>,
}

/// Bytes of memory that one [`LockedKeys`] takes.
pub(crate) const PAGE_BYTES: usize = 4096;

#[repr(align(4096))]
struct Page {
    sealing: [u8; 32],
    deriving: [u8; 32],
}

impl LockedKeys {
    /// Locks a page and has `fill` write the keys into it, so that no copy of them is anywhere else.
    pub(crate) fn new(fill: impl FnOnce(&mut [u8; 32], &mut [u8; 32])) -> Self {
        let mut page = Box::new(Page { sealing: [0; 32], deriving: [0; 32] });
        let lock = region::lock(&raw const *page, PAGE_BYTES).ok();
        fill(&mut page.sealing, &mut page.deriving);
        scrub_stack::<DEEP>();
        Self { lock, page }
    }

    pub(crate) const fn sealing(&self) -> &[u8; 32] {
        &self.page.sealing
    }

    pub(crate) const fn deriving(&self) -> &[u8; 32] {
        &self.page.deriving
    }

    /// Whether the page is kept out of swap.
    pub(crate) const fn is_locked(&self) -> bool {
        self.lock.is_some()
    }
}

impl Drop for LockedKeys {
    fn drop(&mut self) {
        self.page.sealing.zeroize();
        self.page.deriving.zeroize();
        // Unlocked while it is still ours.
        self.lock = None;
    }
}

/// Bytes of stack below a caller that reach beyond what ciphers and key derivation use.
pub(crate) const DEEP: usize = 16 << 10;
/// The same for one derivation, where it is done for every value.
pub(crate) const SHALLOW: usize = 2 << 10;

/// Overwrites what calls that have returned left on the stack below the caller: libraries keep copies of
/// keys in their frames that nobody else can reach.
#[inline(never)]
pub(crate) fn scrub_stack<const BYTES: usize>() {
    let mut frames = [0_u8; BYTES];
    black_box(&mut frames);
}
