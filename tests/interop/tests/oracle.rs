//! channels_sv2 as an oracle: the same templates, tips, targets and shares, drawn at random, go into its server channels and
//! into ours, and both say the same of each share, in the same words.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stratum_core::channels_sv2::merkle_root::merkle_root_from_path;
use sv2_core::mining::job::{JobFactory, Payout};
use sv2_interop::oracle::Template;
use sv2_interop::oracle::theirs::TheirPool;
use sv2_interop::role::REWARD_SCRIPT;

#[test]
fn the_same_template_makes_the_same_job() {
    let mut random = StdRng::seed_from_u64(1);
    for template_id in 1..=500 {
        let extranonce_len = random.gen_range(1..=32);
        let tag = &"a pool in a test!"[..random.gen_range(0..=17)];
        let template = Template::draw(&mut random, template_id, true);
        let theirs = TheirPool::new(tag, extranonce_len, &REWARD_SCRIPT).new_template(&template);
        let factory = JobFactory::new(tag, "", extranonce_len).unwrap();
        let payout = Payout::single(&REWARD_SCRIPT).unwrap();
        let ours = template.ours(|message| factory.job(message, &payout, 0)).unwrap();

        assert_eq!(ours.coinbase_tx_prefix(), theirs.get_coinbase_tx_prefix_without_bip141());
        assert_eq!(ours.coinbase_tx_suffix(), theirs.get_coinbase_tx_suffix_without_bip141());
        assert_eq!(ours.version(), theirs.get_version());
        assert_eq!(ours.version_rolling_allowed(), theirs.version_rolling_allowed());

        let extranonce: Vec<u8> = (0..extranonce_len).map(|_| random.r#gen()).collect();
        let (prefix, rolled) = extranonce.split_at(random.gen_range(0..=extranonce_len));
        let whole = [
            theirs.get_coinbase_tx_prefix_with_bip141(),
            extranonce.clone(),
            theirs.get_coinbase_tx_suffix_with_bip141(),
        ]
        .concat();
        assert_eq!(ours.coinbase(&[prefix, rolled]).unwrap(), whole);
        let root = merkle_root_from_path(
            &theirs.get_coinbase_tx_prefix_without_bip141(),
            &theirs.get_coinbase_tx_suffix_without_bip141(),
            &extranonce,
            theirs.get_merkle_path().as_slice(),
        );
        assert_eq!(Some(ours.merkle_root(&[prefix, rolled])), root);
    }
}
